import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { Dataset, DatasetBuilder, sourceOf } from "../../src/data/dataset.js";
import {
  demonstrateAvoid, demonstratePushT, environment, environmentNames, replay, replayAvoidRows,
  type Demonstration, type EnvironmentOptions, type ReplayReport, type VectorEnvironment,
} from "../../src/envs/index.js";
import { humanAvoid, humanDataMissing, humanPushT } from "./human-data.js";
import { randomActions } from "./rollout.js";

async function all(reports: AsyncIterable<ReplayReport>): Promise<ReplayReport[]> {
  const list: ReplayReport[] = [];
  for await (const report of reports) list.push(report);
  return list;
}

describe.skipIf(humanDataMissing !== undefined)(`recordings of people (${humanDataMissing ?? "found"})`, () => {
  test.each(["fast", "exact"] as const)("the 206 of Push-T repeat within 2e-5 px, by the %s collision path", async (collision) => {
    const reports = await all(replay("pusht", { collision }, humanPushT()));
    expect(reports.length).toBe(206);
    const worst = Math.max(...reports.map(({ deviation }) => deviation.largest));
    expect(worst).toBeLessThanOrEqual(2e-5);
    // Told by the data set's own description: 7 of the final coverages lie above 0.95, all above 0.86.
    const coverages = reports.map(({ measures }) => measures.coverage!).sort((a, b) => a - b);
    expect(coverages[0]).toBeCloseTo(0.861, 3);
    expect(coverages.at(-1)).toBeCloseTo(0.966, 3);
    expect(coverages.filter((coverage) => coverage > 0.95).length).toBe(7);
    const failure = reports.find(({ outcome }) => !outcome.success);
    expect(failure?.outcome.detail).toMatch(/^Best coverage \d+\.\d % of the needed 95\.0 % within \d+ steps\.$/);
  });

  test("a spoilt recording of Push-T is told from its first wrong row on", async () => {
    const [human] = humanPushT();
    const actions = human!.actions.slice();
    actions[2 * 40] = 511;
    const [report] = await all(replay("pusht", {}, [{ ...human!, actions }]));
    expect(report?.deviation.firstStep).toBe(41);
    expect(report?.deviation.largest).toBeGreaterThan(1);
  });

  test("87 of the 96 of Avoid repeat within 1e-5 m; the others touched a cylinder or the table", async () => {
    const reports = await all(replayAvoidRows(humanAvoid(), {}, { tolerance: 1e-5 }));
    const off = reports.filter(({ deviation }) => deviation.firstStep !== undefined);
    expect(off.map(({ label }) => label)).toEqual(["012", "014", "017", "018", "019", "020", "045", "089", "091"]);
    // Six met the table's edge. Three were recorded among thicker cylinders, which stood in their way; here they pass.
    const touched = off.filter(({ outcome, firstSteps, deviation }) => outcome.reason === "outOfReach" && firstSteps.tableSteps! <= deviation.firstStep! + 2);
    expect(touched.map(({ label }) => label)).toEqual(["012", "017", "018", "019", "089", "091"]);
    for (const label of ["014", "020", "045"]) {
      expect(off.find((report) => report.label === label)?.diagnosis).toContain("although nothing was touched");
    }
  });

  test("of the M1 recordings of Avoid, those through the rewarded gap succeed and the others are told apart", async () => {
    const chosen = ["029", "030", "031", "032", "081", "082", "083", "084"];
    const reports = await all(replayAvoidRows(humanAvoid().filter(({ label }) => chosen.includes(label)), { height: 0.12 }));
    expect(reports.map(({ outcome }) => outcome.reason)).toEqual([...Array<string>(4).fill("success"), ...Array<string>(4).fill("otherMode")]);
    expect(reports[5]?.outcome.detail).toBe("Passed the third row by gap m6; the reward is for m5.");
  });
});

/** Episodes of random actions, recorded as demonstrators do it. */
async function record(env: VectorEnvironment, steps: number): Promise<Demonstration[]> {
  const size = env.observationSpace.size;
  const random = new PhiloxStream(9);
  const result = await env.reset(Array.from({ length: env.count }, (_, index) => 50 + index));
  const parts = Array.from({ length: env.count }, () => ({ observations: [] as number[], actions: [] as number[], rewards: [] as number[] }));
  for (let step = 0; step < steps; step++) {
    randomActions(env, random);
    for (const [index, part] of parts.entries()) {
      part.observations.push(...result.observations.subarray(index * size, (index + 1) * size));
      part.actions.push(...env.actions.subarray(index * 2, index * 2 + 2));
    }
    await env.stepChunk(env.actions);
    for (const [index, part] of parts.entries()) part.rewards.push(result.rewards[index]!);
  }
  return parts.map(({ observations, actions, rewards }, index) => ({
    observations: Float32Array.from(observations),
    actions: Float32Array.from(actions),
    rewards: Float32Array.from(rewards),
    seed: 50 + index,
    success: env.outcome(index, "running").success,
    label: "",
  }));
}

describe("the replay doctor", () => {
  test.each(environmentNames)("repeats its own recordings of %s to the bit, through a data set's file", async (name) => {
    const running = name.startsWith("avoid") ? {} : { endOnSuccess: false };
    using env = await environment(name, { count: 70, maxSteps: 0, ...running });
    const recorded = await record(env, 30);
    const builder = new DatasetBuilder(sourceOf(env));
    for (const demonstration of recorded) builder.add(demonstration);
    const dataset = Dataset.decode(builder.build().encode());
    const reports = await all(replay(name, dataset.source.options as EnvironmentOptions<typeof name>, dataset.episodes(), { tolerance: 0 }));
    expect(reports.map(({ index }) => index)).toEqual(recorded.map((_, index) => index));
    for (const { deviation } of reports) expect([deviation.largest, deviation.firstStep]).toEqual([0, undefined]);
  });

  test("finds the package's own demonstrations in order: each repeats to the bit and does what its label says", async () => {
    const avoid: Demonstration[] = [];
    for await (const demonstration of demonstrateAvoid({ modes: "M1", episodes: 4, seed: 3 })) avoid.push(demonstration);
    for (const report of await all(replay("avoid", {}, avoid, { tolerance: 0 }))) {
      expect(report.deviation.firstStep).toBeUndefined();
      expect(report.outcome.reason).toBe(report.label === "125" ? "success" : "otherMode");
    }
    const pusht: Demonstration[] = [];
    for await (const demonstration of demonstratePushT({ count: 3, seed: 20 })) pusht.push(demonstration);
    for (const report of await all(replay("pusht", {}, pusht, { tolerance: 0 }))) {
      expect([report.deviation.firstStep, report.outcome.reason]).toEqual([undefined, "success"]);
    }
  });

  test("tells which cylinder was hit, and when", async () => {
    const steps = 40;
    const actions = Float32Array.from({ length: 2 * steps }, (_, at) => (at % 2 === 0 ? -0.0006 : 0.008));
    const demonstration = { observations: new Float32Array(4 * steps), actions, rewards: new Float32Array(steps), seed: 0, success: false, label: "head-on" };
    const [report] = await all(replay("avoid", {}, [demonstration]));
    expect(report?.outcome.reason).toBe("collision");
    expect(report?.outcome.detail).toMatch(/^The rod touched the cylinder of level 1, first at step \d+\.$/);
    expect(report?.firstSteps.collided).toBeGreaterThan(10);
    expect(report?.label).toBe("head-on");
  });

  test("refuses recordings of other sizes and obeys its signal", async () => {
    const demonstration = { observations: new Float32Array(5), actions: new Float32Array(2), rewards: new Float32Array(1), seed: 0, success: false, label: "" };
    await expect(all(replay("pusht", { observation: "keypoints" }, [demonstration]))).rejects.toMatchObject({ code: "SHAPE", index: 0 });
    await expect(all(replay("pusht", {}, [demonstration], { tolerance: Number.NaN }))).rejects.toMatchObject({ code: "OPTION" });
    const controller = new AbortController();
    controller.abort();
    await expect(all(replay("pusht", {}, [demonstration], { signal: controller.signal }))).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
