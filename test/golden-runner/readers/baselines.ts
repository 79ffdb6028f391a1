import { recordCloningLoss } from "../../../src/diffusion/cloning-loss.ts";
import { recordSampling } from "../../../src/diffusion/sampling.ts";
import type { ProgramRecorder } from "../../../src/engine/program.ts";
import type { Tensor } from "../../../src/engine/tensor.ts";
import { lossStatistics } from "../../../src/kernels/rl/loss-statistics.ts";
import { expectileLoss } from "../../../src/kernels/rl/q-learning.ts";
import { createCritic } from "../../../src/nn/critic.ts";
import { createDiffusionMlp } from "../../../src/nn/diffusion-mlp.ts";
import type { ParameterLayout } from "../../../src/nn/parameters.ts";
import { createQCritic } from "../../../src/nn/q-critic.ts";
import { recordActionAscent, recordChainAscent, recordScoreMatching } from "../../../src/rl/critic-guidance.ts";
import { recordExpectileRegression, recordQLoss, recordQTargets, recordValueTargets } from "../../../src/rl/q-learning.ts";
import { tdLambdaTargets } from "../../../src/rl/returns.ts";
import type { BaselinesConfig } from "../../reference/baselines.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import { criticOptionsOf, denoiserOptions, processOf, qCriticOptionsOf } from "../package-options.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

/** `baselines`: every loss of spec 12.1 to 12.6 with its gradients, as one recorded program each. */
export const readBaselines: Reader = async (golden, device, comparison) => {
  await Session.with(device, async (session) => {
    const file = new BaselinesFile(golden, session, comparison);
    await file.critics();
    await file.weightedCloning();
    await file.criticLoss();
    await file.actionAscent();
    await file.chainAscent("dql_q1", 0);
    await file.chainAscent("dql_q2", 1);
    await file.expectiles();
    await file.scoreMatching();
    file.tdLambda();
  });
};

interface Learner {
  readonly layout: ParameterLayout;
  readonly values: Tensor;
  readonly gradients: Tensor;
}

const { table, forward, networkOutput, networkParameterGradient, actorGradient, chain } = tolerances.dppo;

class BaselinesFile {
  readonly #golden: GoldenFile;
  readonly #session: Session;
  readonly #comparison: GoldenComparison;
  readonly #config: BaselinesConfig;
  readonly #rows: number;

  constructor(golden: GoldenFile, session: Session, comparison: GoldenComparison) {
    this.#golden = golden;
    this.#session = session;
    this.#comparison = comparison;
    this.#config = golden.json("config") as BaselinesConfig;
    this.#rows = golden.shape("in.state")[0]!;
  }

  async critics(): Promise<void> {
    const { critic, learner } = this.#q();
    const kept = await this.#session.run((program) =>
      critic.infer(program, learner.values, { state: this.#state, action: this.#action }, this.#rows).map((value) => this.#session.keep(program, value)));
    for (const [at, name] of ["out.q1", "out.q2"].entries()) {
      this.#comparison.add("critic outputs", await this.#session.read(kept[at]!), this.#golden.values(name), networkOutput, name);
    }
  }

  async weightedCloning(): Promise<void> {
    const { denoiser, process, learner } = this.#actor();
    const loss = this.#session.zeros(1);
    const weight = this.#floats("in.weights");
    const noisingTable = this.#session.own(process.noisingTable(this.#session.device));
    await this.#session.run((program) => {
      recordCloningLoss(program, denoiser, process, {
        ...learner, x0: this.#action, state: this.#state, ...this.#draws("rwr"), noisingTable, loss, weight,
      }, this.#rows);
    });
    await this.#compare("weighted cloning", await this.#session.read(loss), "rwr.loss", learner, "rwr.grad");
  }

  async criticLoss(): Promise<void> {
    const { denoiser, process, learner: actor } = this.#actor();
    const { critic, learner } = this.#q();
    const [rows, statistics] = [this.#rows, this.#session.zeros(2)];
    const tables = this.#session.ownTables(process.tables(this.#session.device));
    const [nextState, noise] = [this.#floats("in.next_state"), this.#floats("dipo.noise")];
    await this.#session.run((program) => {
      const chunk = program.temporary([rows, denoiser.width], "next chunks");
      recordSampling(program, denoiser, process, tables, { frozen: actor.values, state: nextState, noise, chunk }, {
        rows, tunedSteps: 0, isDeterministic: false,
      });
      const targets = recordQTargets(program, critic, learner.values, this.#outcomes, { state: nextState, action: chunk }, {
        rows, gamma: this.#config.gamma,
      });
      recordQLoss(program, critic, learner, { state: this.#state, action: this.#action }, targets, statistics, { rows, at: 0 });
    });
    await this.#compare("critic of DIPO", [sumOf(await this.#session.read(statistics))], "dipo.loss_critic", learner, "dipo.grad_critic");
  }

  async actionAscent(): Promise<void> {
    const { critic, learner } = this.#q();
    const { lr, eps, steps, max_norm } = this.#config.dipo_action_gradient;
    const improved = this.#session.zeros(this.#golden.values("in.actions").length);
    await this.#session.run((program) => {
      recordActionAscent(program, { critic, values: learner.values }, { state: this.#state, action: this.#action, improved }, {
        rows: this.#rows, steps, rate: lr, epsilon: eps, maxNorm: max_norm,
      });
    });
    this.#comparison.add("improved actions", await this.#session.read(improved), this.#golden.values("dipo.guided_actions"), chain, "dipo");
  }

  async chainAscent(group: string, isSwapped: 0 | 1): Promise<void> {
    const { denoiser, process, learner } = this.#actor();
    const { critic, learner: judge } = this.#q();
    const tables = this.#session.ownTables(process.tables(this.#session.device));
    const noisingTable = this.#session.own(process.noisingTable(this.#session.device));
    const [loss, valueLoss] = [this.#session.zeros(1), this.#session.zeros(1)];
    const all = this.#golden.values(`${group}.noise`);
    const chainLength = (process.stepCount + 1) * this.#rows * denoiser.width;
    const eta = this.#config.dql_eta;
    await this.#session.run((program) => {
      recordChainAscent(program, { denoiser, process, learner }, tables, { critic, values: judge.values }, {
        state: this.#state,
        chainNoise: this.#session.floats(all.subarray(0, chainLength)),
        noise: this.#session.floats(all.subarray(chainLength)),
        time: this.#session.words(this.#golden.values(`${group}.t0`)),
        noisingTable,
        loss,
        valueLoss,
      }, { rows: this.#rows, eta }).update({ isSwapped });
    });
    const [cloning, value] = [await this.#session.read(loss), await this.#session.read(valueLoss)];
    const total = cloning[0]! + eta * value[0]!;
    await this.#compare("actor of DQL", [total], `${group}.loss_actor`, learner, `${group}.grad_actor`);
  }

  async expectiles(): Promise<void> {
    const critic = createCritic(criticOptionsOf(this.#config.critic_v_kwargs));
    const value = this.#learner(critic.layout, "critic_v");
    const { critic: judge, learner } = this.#q();
    const [rows, statistics] = [this.#rows, this.#session.zeros(3)];
    const [nextState, { gamma, expectile }] = [this.#floats("in.next_state"), this.#config];
    const inputs = { state: this.#state, action: this.#action };
    await this.#session.run((program) => {
      recordExpectileRegression(program, critic, value, this.#state, judge.infer(program, learner.values, inputs, rows), statistics, { rows, expectile, at: 2 });
      const targets = recordValueTargets(program, critic, value.values, this.#outcomes, nextState, { rows, gamma });
      recordQLoss(program, judge, learner, inputs, targets, statistics, { rows, at: 0 });
    });
    const losses = await this.#session.read(statistics);
    await this.#compare("value of IDQL", [losses[2]!], "idql.loss_v", value, "idql.grad_v");
    await this.#compare("critic of IDQL", [losses[0]! + losses[1]!], "idql.loss_q", learner, "idql.grad_q");

    const errors = this.#golden.values("expectile.in");
    const values = this.#session.zeros(errors.length, "values");
    const results = errors.map(() => 0);
    for (const at of errors.keys()) {
      const loss = this.#session.zeros(1);
      const wanted = this.#session.floats(errors.subarray(at, at + 1));
      await this.#session.run((program: ProgramRecorder) => {
        const dvalues = program.temporary([1], "gradient");
        lossStatistics(program, expectileLoss(program, { values, wanted: [wanted], dvalues }, { count: 1, expectile, gradientScale: 1 }), { statistics: loss }, { at: 0 });
      });
      results[at] = (await this.#session.read(loss))[0]!;
    }
    this.#comparison.add("expectile loss", results, this.#golden.values("expectile.out"), forward, "expectile");
  }

  async scoreMatching(): Promise<void> {
    const { denoiser, process, learner } = this.#actor();
    const { critic, learner: judge } = this.#q();
    const loss = this.#session.zeros(1);
    const noisingTable = this.#session.own(process.noisingTable(this.#session.device));
    await this.#session.run((program) => {
      recordScoreMatching(program, { denoiser, process, learner }, { critic, values: judge.values }, {
        x0: this.#action, state: this.#state, ...this.#draws("qsm"), noisingTable, loss,
      }, { rows: this.#rows, coefficient: this.#config.qsm_coeff });
    });
    await this.#compare("actor of QSM", await this.#session.read(loss), "qsm.loss_actor", learner, "qsm.grad_actor");
  }

  tdLambda(): void {
    const [steps, envs] = this.#golden.shape("td.rewards") as [number, number];
    const { gamma, alpha, lam: lambda } = this.#config.awr_td;
    const [rewards, values, terminated] = ["rewards", "values", "terminated"].map((name) => this.#golden.values(`td.${name}`)) as [Float64Array, Float64Array, Float64Array];
    const got = tdLambdaTargets({ rewards, steps, envs }, values, terminated, { gamma, lambda, alpha });
    this.#comparison.add("targets of DAWR", got, this.#golden.values("td.out"), table, "td");
  }

  get #state(): Tensor {
    return this.#floats("in.state");
  }

  get #action(): Tensor {
    return this.#floats("in.actions");
  }

  get #outcomes() {
    return { rewards: this.#floats("in.rewards"), terminated: this.#floats("in.terminated") };
  }

  #floats(name: string): Tensor {
    return this.#session.floats(this.#golden.values(name), name);
  }

  #draws(group: string) {
    return { time: this.#session.words(this.#golden.values(`${group}.t0`)), noise: this.#floats(`${group}.noise`) };
  }

  #learner(layout: ParameterLayout, name: string): Learner {
    return {
      layout,
      values: this.#session.floats(layout.load(this.#golden.tensors(`param.${name}`)), name),
      gradients: this.#session.zeros(layout.length, `${name} gradients`),
    };
  }

  #actor() {
    const { network_kwargs, model_kwargs } = this.#config;
    const denoiser = createDiffusionMlp(denoiserOptions(network_kwargs));
    return { denoiser, process: processOf({ ...model_kwargs, denoised_clip_value: 1 }, 1), learner: this.#learner(denoiser.layout, "actor") };
  }

  #q() {
    const critic = createQCritic(qCriticOptionsOf(this.#config.critic_q_kwargs));
    return { critic, learner: this.#learner(critic.layout, "critic_q") };
  }

  async #compare(what: string, loss: ArrayLike<number>, lossName: string, learner: Learner, gradientGroup: string): Promise<void> {
    this.#comparison.add(`loss: ${what}`, loss, this.#golden.values(lossName), forward, lossName);
    const got = await this.#session.readByName(learner.layout, learner.gradients);
    this.#comparison.addGradients(`gradient: ${what}`, got, this.#golden.parameters(gradientGroup), gradientTolerance(what), gradientGroup);
  }
}

/** A gradient that has gone through a whole chain is held as an actor's is; the others as those of one network. */
function gradientTolerance(what: string) {
  return what === "actor of DQL" ? actorGradient : networkParameterGradient;
}

function sumOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0);
}
