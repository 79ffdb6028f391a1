import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { environment, createAvoid, vectorise, type EnvironmentDefinition, type VectorEnvironment } from "../../src/envs/index.js";
import { Policy } from "../../src/diffusion/policy.js";
import { evaluate, type Acting, type EvaluateOptions, type Evaluation } from "../../src/rl/evaluation.js";
import { deviceFor } from "../kernels/harness.js";

/** A policy by rule: the actions of one row at a decision, and who closed it. */
function ruled(decide: (row: number, decision: number, observation: Float32Array) => readonly number[], width: number): Acting & { readonly log: string[] } {
  const log: string[] = [];
  return {
    log,
    on: async (_, { count = 1, isDeterministic, seed }) => {
      log.push(`on ${count} ${isDeterministic} ${seed}`);
      let decision = 0;
      const actions = new Float32Array(count * width);
      return {
        act: async (observations) => {
          const size = observations.length / count;
          for (let row = 0; row < count; row++) actions.set(decide(row, decision, observations.subarray(row * size, (row + 1) * size)), row * width);
          decision += 1;
          return actions;
        },
        close: () => { log.push("close"); },
      };
    },
  };
}

async function all(policy: Acting, env: VectorEnvironment, options: EvaluateOptions): Promise<Evaluation[]> {
  const snapshots: Evaluation[] = [];
  for await (const snapshot of evaluate(await deviceFor("wasm"), policy, env, options)) snapshots.push(snapshot);
  return snapshots;
}

/** Draws its fate from the seed: 0 to 3 ends well at once, 4 to 6 fails after four steps, 7 to 9 goes on until it is cut. */
const fates: EnvironmentDefinition = {
  name: "fates",
  observations: [{ name: "x", low: -1, high: 100 }, { name: "y", low: -1, high: 100 }],
  actions: [{ name: "push", low: -1, high: 1 }],
  path: ["x", "y"],
  create: () => {
    let fate = 0;
    let at = 0;
    return {
      reset: (random) => {
        fate = random.below(10);
        at = 0;
        return [0, fate];
      },
      step: () => {
        at += 1;
        const success = fate < 4;
        return { observation: [at, fate], reward: success ? 3 : -0.5, terminated: success || (fate < 7 && at === 4), success };
      },
    };
  },
};
const fateOf = (seed: number): number => new PhiloxStream(seed).below(10);
const still = ruled(() => [0, 0], 2);

describe("an evaluation", () => {
  const seeds = Array.from({ length: 90 }, (_, index) => 1000 + index);
  const known = {
    success: seeds.filter((seed) => fateOf(seed) < 4).length,
    terminated: seeds.filter((seed) => fateOf(seed) >= 4 && fateOf(seed) < 7).length,
    outOfSteps: seeds.filter((seed) => fateOf(seed) >= 7).length,
  };

  test.each([1, 7, 32, 200])("counts each seed once, whatever its length, with %i environments", async (count) => {
    using env = vectorise(fates, { count, maxSteps: 9, actionSteps: 2 });
    const snapshots = await all(still, env, { episodes: 90, seed: 1000 });
    expect(snapshots.map(({ episodes }) => episodes)).toEqual(Array.from({ length: Math.ceil(90 / count) }, (_, round) => Math.min(90, (round + 1) * count)));
    const result = snapshots.at(-1)!;
    expect(result).toMatchObject({ wanted: 90, seed: 1000, isDeterministic: true, reasons: known, modes: known, modeEntropy: 0 });
    expect(result.success.mean).toBe(known.success / 90);
    expect(result.success.low).toBeLessThan(result.success.mean);
    expect(result.return.mean).toBeCloseTo((3 * known.success - 2 * known.terminated - 4.5 * known.outOfSteps) / 90, 12);
    expect(result.length.mean).toBeCloseTo((known.success + 4 * known.terminated + 9 * known.outOfSteps) / 90, 12);
    expect(result.failures.map(({ seed }) => seed)).toEqual(seeds.filter((seed) => fateOf(seed) >= 4).slice(0, 50));
    for (const { seed, reason, detail } of result.failures) {
      expect([reason, detail]).toEqual(fateOf(seed) < 7 ? ["terminated", "Ended after 4 steps without success."] : ["outOfSteps", "No success within 9 steps."]);
    }
    expect(result.trajectories).toHaveLength(20);
    for (const [index, { points, success }] of result.trajectories.entries()) {
      const fate = fateOf(1000 + index);
      expect(success).toBe(fate < 4);
      expect(points).toEqual((fate < 4 ? [0, 1] : fate < 7 ? [0, 2, 4] : [0, 2, 4, 6, 8, 9]).flatMap((at) => [at, fate]));
    }
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    expect(Object.isFrozen(result) && Object.isFrozen(result.trajectories[0]!.points)).toBe(true);
  });

  test("gives the policy its count, seed and kind of sampling, and closes it however it ends", async () => {
    using env = vectorise(fates, { count: 4, maxSteps: 9 });
    const policy = ruled(() => [0], 1);
    await all(policy, env, { episodes: 5, seed: 3, isDeterministic: false, trajectories: 0 });
    for await (const { trajectories } of evaluate(await deviceFor("wasm"), policy, env, { episodes: 50 })) {
      expect(trajectories).toHaveLength(4);
      break;
    }
    const stop = new AbortController();
    const run = async (): Promise<void> => {
      for await (const { episodes } of evaluate(await deviceFor("wasm"), policy, env, { episodes: 50, signal: stop.signal })) if (episodes === 8) stop.abort();
    };
    await expect(run()).rejects.toMatchObject({ code: "CANCELLED", message: "The evaluation was stopped after 8 of 50 episodes." });
    expect(policy.log).toEqual(["on 4 false 3", "close", "on 4 true 0", "close", "on 4 true 0", "close"]);
  });

  test.each([
    [{ episodes: 0 }, /option "episodes" is 0/], [{ seeds: 3 }, /Did you mean "seed"/], [{ seed: 0xffffffff }, /pass the last seed/],
  ])("refuses %j before anything moves", async (options, message) => {
    using env = vectorise(fates);
    await expect(all(still, env, options as EvaluateOptions)).rejects.toThrow(message);
  });
});

describe("of a diffusion policy", () => {
  const policy = Policy.create({
    observationNames: ["desiredX", "desiredY", "actualX", "actualY"], actionNames: ["incrementX", "incrementY"], horizon: 4,
    statistics: { observations: { min: [0.2, -0.3, 0.2, -0.3], max: [0.8, 0.5, 0.8, 0.5] }, actions: { min: [-0.0125, 0], max: [0.0125, 0.0125] } },
    network: { kind: "diffusion-mlp", process: { denoisingSteps: 5 }, hidden: [16, 16, 16] },
  }, 3);

  test("the same seed gives the same bits, another one or exploration does not", async () => {
    using env = await createAvoid({ count: 6, actionSteps: 4, physics: "planar" });
    const run = async (options: EvaluateOptions) => (await all(policy, env, { episodes: 10, trajectories: 10, ...options })).at(-1)!;
    const first = await run({ seed: 7 });
    expect(await run({ seed: 7 })).toEqual(first);
    expect((await run({ seed: 8 })).trajectories).not.toEqual(first.trajectories);
    expect((await run({ seed: 7, isDeterministic: false })).trajectories).not.toEqual(first.trajectories);
    // Avoid always starts at one place: what differs between its episodes is the policy's noise, in every round anew.
    expect(new Set(first.trajectories.map(({ points }) => points.join())).size).toBe(10);
  });
});

test("a policy made for something else is refused by name", async () => {
  const network = { kind: "diffusion-mlp", process: { denoisingSteps: 2 }, hidden: [8, 8, 8] } as const;
  const statistics = { observations: { min: [0, 0], max: [1, 1] }, actions: { min: [0], max: [1] } };
  const options = { observationNames: ["x", "y"], actionNames: ["push"], horizon: 4, statistics, network };
  using env = vectorise(fates, { count: 2, maxSteps: 9, actionSteps: 4 });
  await expect(all(Policy.create(options, 1), env, { episodes: 2 })).resolves.toHaveLength(1);
  for (const [change, message] of [
    [{ actionNames: ["pull"] }, "actions pull, not push. They are of different tasks."],
    [{ observationNames: ["y", "x"] }, "observations y, x, not x, y. They are of"],
    [{ actionSteps: 2 }, "actionSteps 2, not 4. Make the environment with actionSteps: 2."],
  ] as const) {
    await expect(all(Policy.create({ ...options, ...change }, 1), env, {})).rejects.toThrow(`The policy does not fit environment "fates": ${message}`);
  }
});

describe("on the built-in environments", () => {
  test("everyone who is told the point reaches it, no one who stands still does", async () => {
    using env = await environment("pusht-reach", { count: 8, actionSteps: 2 });
    const { reach } = env.options as { reach: { x: number; y: number } };
    const [told] = (await all(ruled(() => [reach.x, reach.y, reach.x, reach.y], 4), env, { episodes: 8 }));
    expect(told).toMatchObject({ success: { mean: 1 }, reasons: { success: 8 }, failures: [] });
    const { points } = told!.trajectories[0]!;
    expect(Math.hypot(points.at(-2)! - reach.x, points.at(-1)! - reach.y)).toBeLessThan(60);
    const [idle] = await all(ruled((_row, _decision, seen) => [seen.at(-2)!, seen.at(-1)!, seen.at(-2)!, seen.at(-1)!], 4), env, { episodes: 8 });
    expect(idle!.success.mean).toBeLessThan(1);
    expect(idle!.length.high).toBeLessThanOrEqual(50);
  });

  test("straight ahead is a success without obstacles and a collision with them; every step of the way is kept", async () => {
    const ahead = ruled((_row, _decision, [, desiredY = 0]) => (desiredY < 0.44 ? [0, 0.0125, 0, 0.0125, 0, 0.0125, 0, 0.0125] : [0, 0, 0, 0, 0, 0, 0, 0]), 8);
    using free = await environment("avoid-free", { count: 2, actionSteps: 4, physics: "planar", recordSteps: true });
    const [without] = await all(ahead, free, { episodes: 2 });
    expect(without).toMatchObject({ success: { mean: 1 }, reasons: { success: 2 } });
    expect(without!.trajectories.map(({ points }) => points.length)).toEqual([202, 202]);
    using env = await environment("avoid", { count: 2, actionSteps: 4, physics: "planar" });
    const [blocked] = await all(ahead, env, { episodes: 2 });
    expect(blocked).toMatchObject({ success: { mean: 0 }, reasons: { collision: 2 }, modes: { collision: 2 } });
    expect(blocked!.failures[0]).toEqual({ seed: 0, reason: "collision", detail: "The rod touched the cylinder of level 1." });
    expect(blocked!.trajectories[0]!.points).toHaveLength(52);
  });

  test("the ways of Avoid are told apart by the gap, with the entropy of those that took one", async () => {
    const ways = [
      [[0.58, -0.1], [0.36, 0.06], [0.28, 0.26], [0.28, 0.46]],
      [[0.58, -0.1], [0.36, 0.06], [0.425, 0.26], [0.425, 0.46]],
      [[0.5, -0.28], [0.5, 0.45]],
      [],
    ];
    const steps = ways.map((points) => {
      let [x, y] = [0.5249284663, -0.2797367276];
      return points.flatMap(([toX = 0, toY = 0]) => {
        const count = Math.ceil(Math.hypot(toX - x, toY - y) / 0.0125);
        const step = [(toX - x) / count, (toY - y) / count];
        [x, y] = [toX, toY];
        return Array.from({ length: count }, () => step).flat();
      });
    });
    const driver = ruled((row, decision) => Array.from({ length: 8 }, (_, place) => steps[row % 4]![(decision % 25) * 8 + place] ?? 0), 8);
    using env = await createAvoid({ count: 8, actionSteps: 4, physics: "planar" });
    const result = (await all(driver, env, { episodes: 12 })).at(-1)!;
    expect(result.modes).toEqual({ collision: 3, m5: 3, m6: 3, outOfSteps: 3 });
    expect(result.reasons).toEqual({ collision: 3, otherMode: 3, outOfSteps: 3, success: 3 });
    expect(result.modeEntropy).toBeCloseTo(Math.log(2), 12);
    expect(result.success.mean).toBe(0.25);
    expect(result.trajectories.slice(0, 4).map(({ label, reason }) => [label, reason])).toEqual([["m5", "success"], ["m6", "otherMode"], ["collision", "collision"], ["outOfSteps", "outOfSteps"]]);
  });
});
