import { expect, test } from "vitest";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";
import { Baselines, type BaselinesConfig, type Batch, type Learned } from "./baselines.ts";
import { differences } from "./finite-difference.ts";
import { expectileLoss, tdLambdaTargets } from "./q-learning.ts";

const golden = GoldenFile.open("dppo/baselines");
const config = golden.json("config") as BaselinesConfig;
const parameters = {
  actor: golden.parameters("param.actor"), q: golden.parameters("param.critic_q"), v: golden.parameters("param.critic_v"),
};
const baselines = new Baselines(config, parameters);
const exact = { relative: 1e-11 };
const batch: Batch = {
  state: golden.values("in.state"), nextState: golden.values("in.next_state"), action: golden.values("in.actions"),
  rewards: golden.values("in.rewards"), terminated: golden.values("in.terminated"),
};

function expectLearned(learned: Learned, loss: string, gradients: string): void {
  expectClose([learned.loss], [golden.scalar(loss)], exact, loss);
  for (const [name, expected] of golden.parameters(gradients)) expectClose(learned.gradients.get(name)!, expected, exact, `${gradients} ${name}`);
}

const drawsOf = (group: string, from = 0) => {
  const noise = golden.values(`${group}.noise`);
  return { time: golden.values(`${group}.t0`), noise: noise.subarray(from * batch.action.length, (from + 1) * batch.action.length) };
};

test("both critics have the golden values", () => {
  const { first, second } = baselines.judge(batch.state, batch.action);
  expectClose(first, golden.values("out.q1"), exact);
  expectClose(second, golden.values("out.q2"), exact);
});

test("the reward-weighted loss is the golden one", () => {
  expectLearned(baselines.cloning(batch.state, batch.action, drawsOf("rwr"), golden.values("in.weights")), "rwr.loss", "rwr.grad");
});

test("the critic loss of DIPO is the golden one, the next chunk sampled by the policy", () => {
  const { chunk } = baselines.sample(batch.nextState, golden.values("dipo.noise"));
  expectLearned(baselines.criticLoss(batch, chunk), "dipo.loss_critic", "dipo.grad_critic");
});

test("DIPO improves the golden actions to the golden ones", () => {
  expectClose(baselines.improve(batch.state, batch.action), golden.values("dipo.guided_actions"), exact);
});

test.each([["dql_q1", false], ["dql_q2", true]] as const)("the actor loss of %s is the golden one", (group, isSwapped) => {
  const chain = golden.values(`${group}.noise`);
  const steps = config.model_kwargs.denoising_steps + 1;
  expectLearned(baselines.dqlLoss(batch.state, chain, drawsOf(group, steps), isSwapped), `${group}.loss_actor`, `${group}.grad_actor`);
});

test("the losses of IDQL are the golden ones", () => {
  expectLearned(baselines.idqlValueLoss(batch), "idql.loss_v", "idql.grad_v");
  expectLearned(baselines.idqlCriticLoss(batch), "idql.loss_q", "idql.grad_q");
});

test("the actor loss of QSM is the golden one", () => {
  expectLearned(baselines.qsmLoss(batch.state, batch.action, drawsOf("qsm")), "qsm.loss_actor", "qsm.grad_actor");
});

test("the targets of DAWR are the golden ones, which are stored with 32 bits", () => {
  const [, envs] = golden.shape("td.rewards") as [number, number];
  const { gamma, alpha, lam: lambda } = config.awr_td;
  const got = tdLambdaTargets(golden.values("td.rewards"), golden.values("td.values"), golden.values("td.terminated"), envs, { gamma, alpha, lambda });
  expectClose(got, golden.values("td.out"), { relative: 1e-7 });
});

test("the expectile loss is the golden one", () => {
  const errors = golden.values("expectile.in");
  const got = errors.map((error) => expectileLoss([0], [error], config.expectile).loss);
  expectClose(got, golden.values("expectile.out"), exact);
});

test("the gradient of DQL's loss is its difference quotient", () => {
  const bias = Float64Array.from(parameters.actor.get("mlp_mean.layers.2.bias")!);
  const moved = new Baselines(config, { ...parameters, actor: new Map([...parameters.actor, ["mlp_mean.layers.2.bias", bias]]) });
  const loss = (isSwapped: boolean) => {
    const chain = golden.values("dql_q1.noise");
    return moved.dqlLoss(batch.state, chain, drawsOf("dql_q1", config.model_kwargs.denoising_steps + 1), isSwapped);
  };
  const analytic = loss(false).gradients.get("mlp_mean.layers.2.bias")!;
  expect(analytic.some((value) => Math.abs(value) > 1e-3)).toBe(true);
  // The divisor is no part of the gradient: it is held while the rest of the loss moves.
  const size = ((): number => {
    const { chunk } = moved.sample(batch.state, golden.values("dql_q1.noise"));
    return moved.judge(batch.state, chunk).second.reduce((sum, value) => sum + Math.abs(value), 0);
  })();
  const surrogate = (): number => {
    const { chunk } = moved.sample(batch.state, golden.values("dql_q1.noise"));
    const value = moved.judge(batch.state, chunk).first.reduce((sum, one) => sum + one, 0);
    return moved.cloning(batch.state, chunk, drawsOf("dql_q1", config.model_kwargs.denoising_steps + 1)).loss - (config.dql_eta * value) / size;
  };
  expectClose(analytic, differences(surrogate, bias), { relative: 1e-6 });
});
