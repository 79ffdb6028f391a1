import { gae } from "../../../src/kernels/rl/gae.ts";
import { initialRewardState, rewardScale } from "../../../src/kernels/rl/reward-scale.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

/** `gae`: `<case>.rewards, values, terminated [N, E], last_values [E]`; truncation has no effect on what is expected. */
export const readAdvantages: Reader = async (golden, device, comparison) => {
  for (const name of golden.groups()) {
    const group = golden.below(name);
    const [steps, envs] = group.shape("rewards") as [number, number];
    const [gamma, lambda, scale] = group.values("gamma_lambda_scale") as unknown as [number, number, number];
    await Session.with(device, async (session) => {
      const advantages = session.zeros(steps * envs, "advantages");
      const returns = session.zeros(steps * envs, "returns");
      const inputs = {
        rewards: session.floats(group.values("rewards"), "rewards"),
        values: session.floats(group.values("values"), "values"),
        lastValues: session.floats(group.values("last_values"), "last values"),
        terminated: session.floats(group.values("terminated"), "terminated"),
      };
      await session.run((program) => {
        gae(program, { ...inputs, advantages, returns }, {
          steps, envs, gamma, lambda, rewardScale: scale, truncation: "reference",
        });
      });
      const tolerance = tolerances.dppo.forward;
      comparison.add("advantages", await session.read(advantages), group.values("advantages"), tolerance, name);
      comparison.add("returns", await session.read(returns), group.values("returns"), tolerance, name);
    });
  }
};

/** [E, N] as [N, E]. */
function transposed(values: Float64Array, E: number, N: number): Float64Array {
  return Float64Array.from(values, (_, i) => values[(i % E) * N + Math.floor(i / E)]!);
}

/** `reward_scaler`: `<case>.call<k>.*`, one call after the other; the case `clip` has settings in the metadata. */
export const readRewardScale: Reader = async (golden, device, comparison) => {
  const clipCase = golden.json("clip_case") as { readonly cliprew: number; readonly gamma: number };
  for (const name of golden.groups()) {
    const { gamma, cliprew: clip } = name.startsWith("clip") ? clipCase : { gamma: 0.99, cliprew: 10 };
    const [envs, steps] = golden.shape(`${name}.call0.reward`) as [number, number];
    await Session.with(device, async (session) => {
      const rewards = session.zeros(steps * envs, "rewards");
      const firsts = session.zeros(steps * envs, "firsts");
      const returns = session.zeros(envs, "returns");
      const state = session.floats(initialRewardState, "reward state");
      const scaled = session.zeros(steps * envs, "scaled rewards");
      const program = await session.record((recorder) => {
        rewardScale(recorder, { rewards, firsts, returns, state, scaled }, { steps, envs, gamma, clip });
      });
      for (let k = 0; golden.has(`${name}.call${k}.reward`); k++) {
        const call = golden.below(`${name}.call${k}`);
        session.write(rewards, transposed(call.values("reward"), envs, steps));
        session.write(firsts, transposed(call.values("first"), envs, steps));
        program.run();
        const [mean, variance, count] = await session.read(state);
        const place = `${name}, call ${k}`;
        const tolerance = tolerances.dppo.forward;
        const expected = transposed(call.values("out"), envs, steps);
        comparison.add("scaled rewards", await session.read(scaled), expected, tolerance, place);
        comparison.add("returns", await session.read(returns), call.values("ret"), tolerance, place);
        // The mean may be next to nothing beside the returns that it is the mean of.
        const deviation = Math.sqrt(call.scalar("var"));
        const inDeviations = (value: number): number[] => [value / deviation];
        comparison.add("mean", inDeviations(mean!), inDeviations(call.scalar("mean")), tolerances.dppo.forwardAbsolute, place);
        comparison.add("variance", [variance!], call.values("var"), tolerance, place);
        comparison.add("count", [count!], call.values("count"), tolerance, place);
      }
    });
  }
};
