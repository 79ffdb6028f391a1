import { beforeAll, describe, expect, test } from "vitest";
import { avoidModes, avoidSets, demonstrateAvoid, replay, type AvoidDemonstrationOptions, type Demonstration } from "../../src/envs/index.js";
import { PhysicsBatch } from "../golden-runner/physics-batch.ts";
import { sharedPath } from "../shared-folder.ts";
import { readHumanEpisodes } from "./avoid-demonstrations.ts";
import { wayStatistics, type Way } from "./way-statistics.ts";

async function collect(options: AvoidDemonstrationOptions): Promise<Demonstration[]> {
  const episodes: Demonstration[] = [];
  for await (const episode of demonstrateAvoid(options)) episodes.push(episode);
  return episodes;
}

const pairs = (values: Float32Array, stride: number, offset: number) =>
  Array.from({ length: values.length / stride }, (_, row) => [values[row * stride + offset]!, values[row * stride + offset + 1]!] as const);

/** With an observation delay of 0, a row is the state that its action was taken in. */
function asWay({ label, actions, observations }: Demonstration): Way {
  return { mode: label, increments: pairs(actions, 2, 0), desired: pairs(observations, 4, 0), actual: pairs(observations, 4, 2) };
}

const environment = { observationDelay: 0 } as const;
let all: Demonstration[];
beforeAll(async () => {
  all = await collect({ modes: "all", episodes: 192, environment });
});

describe("demonstrations of avoid", () => {
  test("every mode comes in turn and, run by the bare physics, is reached without touching anything", () => {
    expect(all.map(({ label }) => label)).toEqual([...Array.from({ length: 8 }, () => avoidModes)].flat());
    expect(new Set(avoidModes).size).toBe(24);
    const chunk = 107;
    const batch = new PhysicsBatch("avoid", { count: all.length, chunk, record: 2 });
    batch.set("BATCH_MAX_STEPS", 0);
    batch.reset();
    const actions = batch.f32("BATCH_ACTIONS", 2 * chunk * all.length);
    for (const [index, episode] of all.entries()) actions.set(episode.actions, 2 * chunk * index);
    expect(batch.stepChunk()).toBe(0);
    const width = batch.get("BATCH_TRACE_SIZE");
    const trace = batch.f64("BATCH_TRACE", (chunk + 1) * width * all.length);
    for (const [index, { label, rewards }] of all.entries()) {
      const cell = (row: number, name: string, offset = 0) => trace[((chunk + 1) * index + row) * width + batch.constant(`AVOID_TRACE_${name}`) + offset]!;
      const end = rewards.length;
      expect(cell(end, "MODE")).toBe([0, 1, 2].reduce((flags, place) => flags | (1 << Number(label[place])), 0));
      expect(cell(end, "COLLIDED")).toBe(0);
      expect(cell(end, "ACTUAL", 1)).toBeGreaterThan(0.41);
      for (let row = 0; row <= end; row++) {
        expect(cell(row, "CONTACT")).toBe(-1);
        expect(cell(row, "ON_TABLE")).toBe(0);
      }
    }
  });

  test("they have the figures that are stated of the people's", () => {
    const figures = wayStatistics(all.map(asWay));
    // Stated: |ax| <= 0.0125, 0 <= ay <= 0.0125, norm <= 0.0154 and 0.0117 on average.
    expect(figures.largestX).toBeLessThanOrEqual(Math.fround(0.0125));
    expect(figures.largestY).toBeLessThanOrEqual(Math.fround(0.0125));
    expect(figures.leastY).toBeGreaterThanOrEqual(0);
    expect(figures.fastest).toBeLessThanOrEqual(0.015402);
    expect(Math.abs(figures.speed - 0.0117)).toBeLessThan(0.0006);
    // 48 % of ay at the maximum, 10 % of the increments zero, 4.6 idle steps first and 2.4 last.
    expect(Math.abs(figures.fullAhead - 0.48)).toBeLessThan(0.05);
    expect(Math.abs(figures.still - 0.1)).toBeLessThan(0.025);
    expect(Math.abs(figures.idleStart - 4.6)).toBeLessThan(0.8);
    expect(Math.abs(figures.idleEnd - 2.4)).toBeLessThan(0.7);
    // 60 to 106 steps, 76.1 on average, deviation 12; y = 0.40 is crossed at step 71.
    expect(figures.shortest).toBeGreaterThanOrEqual(55);
    expect(figures.longest).toBeLessThanOrEqual(106);
    expect(Math.abs(figures.length - 76.1)).toBeLessThan(3);
    expect(Math.abs(figures.lengthDeviation - 12)).toBeLessThan(3);
    expect(Math.abs(figures.lineStep - 71)).toBeLessThan(3);
    // Clearance to a contact circle: least 1.9 mm, median 17 mm.
    expect(figures.leastClearance).toBeGreaterThanOrEqual(0.0018);
    expect(Math.abs(figures.clearance - 0.017)).toBeLessThan(0.004);
  });

  test("the sets of DPPO have 4 and 4 episodes, more on request, and the first ones stay", async () => {
    for (const set of ["M1", "M2", "M3"] as const) {
      const episodes = await collect({ modes: set });
      expect(episodes.map(({ label }) => label)).toEqual([0, 1, 2, 3].flatMap(() => avoidSets[set]));
      const counts = episodes.reduce((sum, { rewards }) => sum + rewards.length, 0);
      expect(counts).toBeGreaterThan(450);
      expect(counts).toBeLessThan(850);
    }
    const [few, many] = [await collect({ seed: 5, episodes: 3 }), await collect({ seed: 5, episodes: 37 })];
    expect(many).toHaveLength(37);
    expect(few).toEqual(many.slice(0, 3));
    expect((await collect({ seed: 6, episodes: 1 }))[0]!.actions).not.toEqual(few[0]!.actions);
  });

  test("rows and rewards are what the environment gives: a replay repeats to the bit", async () => {
    const episodes = await collect({ modes: ["125", "047"], environment: { reward: "m7" } });
    for await (const report of replay("avoid", { reward: "m7" }, episodes)) {
      expect(report.deviation.largest).toBe(0);
      expect(report.measures.collided).toBe(0);
      if (report.label === "047") expect(report.episodeReturn).toBeGreaterThan(10);
    }
    expect(episodes.map(({ rewards }) => Math.max(...rewards))).toEqual(episodes.map(({ label }) => (label === "047" ? 2 : 1)));
  });

  test("rows paired as recorded show the actual position of a step before", async () => {
    const [fresh] = await collect({ episodes: 1, environment });
    const [paired] = await collect({ episodes: 1, environment, pairing: "d3il" });
    expect(paired!.actions).toEqual(fresh!.actions);
    const [actual, late] = [pairs(fresh!.observations, 4, 2), pairs(paired!.observations, 4, 2)];
    expect(pairs(paired!.observations, 4, 0)).toEqual(pairs(fresh!.observations, 4, 0));
    for (let row = 1; row < late.length; row++) {
      // 1 ms ahead of the position that the environment reports.
      expect(Math.hypot(late[row]![0] - actual[row - 1]![0], late[row]![1] - actual[row - 1]![1])).toBeLessThan(8e-4);
    }
  });

  test.each<[string, unknown]>([
    ["an unknown set", { modes: "M4" }],
    ["an unknown mode", { modes: ["129"] }],
    ["no modes", { modes: [] }],
    ["no episodes", { episodes: 0 }],
    ["an unknown option", { episode: 3 }],
    ["an unknown option of the environment", { environment: { gap: "m5" } }],
  ])("%s is refused", async (_, options) => {
    await expect(collect(options as AvoidDemonstrationOptions)).rejects.toThrow(expect.objectContaining({ code: "OPTION" }));
  });

  test("cancelling stops between two batches", async () => {
    const controller = new AbortController();
    const episodes = demonstrateAvoid({ modes: "all", signal: controller.signal });
    await episodes.next();
    controller.abort();
    const rest = async () => { while ((await episodes.next()).done !== true); };
    await expect(rest()).rejects.toThrow(expect.objectContaining({ code: "CANCELLED" }));
  });
});

const data = sharedPath("data/avoid-demos.json");
describe.skipIf(data.missing !== undefined)(`beside the recordings of people (${data.missing ?? "96 episodes"})`, () => {
  test("they are as long, fast, idle, close and spread as those", () => {
    const human = wayStatistics(readHumanEpisodes(data.path.replace(/\/[^/]*$/, "")).map(({ mode, values }): Way => {
      const [desired, actual] = [pairs(values, 4, 0), pairs(values, 4, 2)];
      return { mode, desired, actual, increments: desired.slice(1).map(([x, y], t) => [x - desired[t]![0], y - desired[t]![1]]) };
    }));
    const own = wayStatistics(all.map(asWay));
    const within = (name: keyof typeof human, tolerance: number) => {
      expect(Math.abs(own[name] - human[name]), `${name}: ${own[name]} beside ${human[name]}`).toBeLessThanOrEqual(tolerance);
    };
    within("length", 3);
    within("lengthDeviation", 3);
    within("speed", 0.0006);
    within("fastest", 5e-5);
    within("fullAhead", 0.05);
    within("still", 0.025);
    within("straight", 0.05);
    within("idleStart", 0.8);
    within("idleEnd", 0.7);
    within("lineStep", 3);
    within("clearance", 0.004);
    within("lateralSpread", 0.003);
  });
});
