import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import type { LinearMemory } from "../../src/core/linear-memory.js";
import { PhysicsBatch, type PhysicsBatchShape } from "../golden-runner/physics-batch.ts";

type Setting = readonly [field: string, value: number];

function open(shape: PhysicsBatchShape, settings: readonly Setting[] = [], memory?: LinearMemory): PhysicsBatch {
  const batch = new PhysicsBatch("avoid", shape, memory);
  for (const [field, value] of settings) batch.set(field, value);
  return batch;
}

/** Seeded actions [E, Ta, 2] of one chunk: forward and to the sides, fast enough to meet cylinders. */
function draw(random: PhiloxStream, count: number, chunk: number): Float32Array {
  return Float32Array.from({ length: count * chunk * 2 }, (_, i) => (i % 2 === 0 ? 0.03 * random.uniform() - 0.015 : 0.0125 * random.uniform()));
}

/** Everything that a run of `chunks` chunks shows of each environment, as one list of numbers per environment. */
function record(batch: PhysicsBatch, actions: readonly Float32Array[], split: readonly number[]): number[][] {
  const count = batch.get("BATCH_COUNT");
  const shown = Array.from({ length: count }, (): number[] => []);
  batch.reset();
  for (const chunk of actions) {
    batch.f32("BATCH_ACTIONS", chunk.length).set(chunk);
    for (let part = 0; part + 1 < split.length; part++) expect(batch.stepChunk(split[part], split[part + 1])).toBe(0);
    const observations = batch.f32("BATCH_OBSERVATIONS", count * 4 * batch.get("BATCH_STACKED"));
    const width = 4 * batch.get("BATCH_STACKED");
    for (const [e, list] of shown.entries()) {
      list.push(...observations.subarray(e * width, (e + 1) * width), batch.f32("BATCH_REWARDS", count)[e]!);
      list.push(...batch.f64("BATCH_RUNNING", count * 8).subarray(e * 8, e * 8 + 8), batch.u32("BATCH_TRUNCATED", count)[e]!);
    }
  }
  return shown;
}

const levels = [["the arm", 0], ["the planar point", 1]] as const;

describe.each(levels)("a batch of %s", (_, level) => {
  const settings: readonly Setting[] = [["AVOID_LEVEL", level], ["BATCH_MAX_STEPS", 60]];
  const count = 7;
  const random = new PhiloxStream(11);
  const actions = Array.from({ length: 25 }, () => draw(random, count, 4));

  test("together equals alone, and any split equals any other, bit for bit", () => {
    const whole = record(open({ count, chunk: 4 }, settings), actions, [0, count]);
    expect(whole.flat().every(Number.isFinite)).toBe(true);
    for (const split of [[0, 1, 2, 3, 4, 5, 6, 7], [0, 3, 7], [0, 5, 6, 7]]) {
      expect(record(open({ count, chunk: 4 }, settings), actions, split)).toEqual(whole);
    }
    for (let e = 0; e < count; e++) {
      const own = actions.map((chunk) => chunk.slice(e * 8, (e + 1) * 8));
      expect(record(open({ count: 1, chunk: 4 }, settings), own, [0, 1])).toEqual([whole[e]]);
    }
    // Some of them have met a cylinder, so the scalar paths of one lane have run beside a free one.
    const collided = whole.map((list) => list.some((_value, i) => i % 14 === 9 && list[i] === 1));
    expect(new Set(collided)).toEqual(new Set([true, false]));
  });

  test("chunks of four equal single steps", () => {
    const four = open({ count, chunk: 4 }, settings);
    const one = open({ count, chunk: 1 }, settings);
    four.reset();
    one.reset();
    for (const chunk of actions.slice(0, 15)) {
      four.f32("BATCH_ACTIONS", chunk.length).set(chunk);
      expect(four.stepChunk()).toBe(0);
      let sums = new Float64Array(count);
      for (let t = 0; t < 4; t++) {
        one.f32("BATCH_ACTIONS", count * 2).set(Array.from({ length: count * 2 }, (_value, i) => chunk[(i >> 1) * 8 + t * 2 + (i & 1)]!));
        expect(one.stepChunk()).toBe(0);
        sums = sums.map((sum, e) => sum + one.f32("BATCH_STEP_REWARDS", count)[e]!);
      }
      expect(one.f32("BATCH_OBSERVATIONS", count * 4)).toEqual(four.f32("BATCH_OBSERVATIONS", count * 4));
      expect([...four.f32("BATCH_REWARDS", count)]).toEqual([...sums].map((sum) => expect.closeTo(sum, 6) as number));
    }
    expect(one.u32("BATCH_TRUNCATED", count)).toEqual(new Uint32Array(count).fill(1));
  });

  test("a record copied back brings its environment back", () => {
    const batch = open({ count: 2, chunk: 4 }, settings);
    batch.reset();
    const step = (chunk: number) => {
      batch.f32("BATCH_ACTIONS", 16).set(actions[chunk]!.subarray(0, 16));
      batch.stepChunk();
      return [...batch.f32("BATCH_OBSERVATIONS", 8)];
    };
    step(0);
    const records = batch.memory.u8(batch.get("BATCH_STATES"), 2 * batch.get("BATCH_STATE_STRIDE"));
    const saved = records.slice();
    const first = step(1);
    step(2);
    records.set(saved);
    expect(step(1)).toEqual(first);
  });

  test("an action that is no number is refused before anything moves", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -2e9]) {
      const batch = open({ count: 3, chunk: 2 }, settings);
      batch.reset();
      const before = batch.memory.u8(batch.pointer, batch.byteLength).slice();
      const place = batch.f32("BATCH_ACTIONS", 12);
      place[9] = bad;
      expect(batch.stepChunk()).toBe(10);
      place[9] = 0;
      expect(batch.memory.u8(batch.pointer, batch.byteLength)).toEqual(before);
      expect(batch.stepChunk()).toBe(0);
    }
  });

  test("huge actions leave every number finite", () => {
    const batch = open({ count: 2, chunk: 10, record: 2 }, settings);
    batch.reset();
    batch.f32("BATCH_ACTIONS", 40).set(Array.from({ length: 40 }, (_value, i) => (i % 3 === 0 ? -1e9 : 1e9)));
    for (let k = 0; k < 5; k++) expect(batch.stepChunk()).toBe(0);
    expect([...batch.f64("BATCH_TRACE", 2 * 11 * batch.get("BATCH_TRACE_SIZE"))].every(Number.isFinite)).toBe(true);
  });
});

test.each<[string, readonly number[]]>([
  ["no environments", [0, 1, 1, 0, 0]],
  ["no chunk", [1, 0, 1, 0, 0]],
  ["no window", [1, 1, 0, 0, 0]],
  ["an unknown observation", [1, 1, 1, 1, 0]],
  ["an unknown recording", [1, 1, 1, 0, 4]],
  ["more than the memory holds", [1 << 20, 4096, 64, 0, 3]],
])("a batch with %s is refused", (_, sizes) => {
  expect(open({ count: 1 }).call("avoid_batch_bytes", ...sizes)).toBe(0);
});

describe("the order of DPPO", () => {
  const start = [0.52492846634, -0.27973672759].map(Math.fround);
  const advance = (batch: PhysicsBatch, action: readonly [number, number]) => {
    batch.f32("BATCH_ACTIONS", 2).set(action);
    expect(batch.stepChunk()).toBe(0);
    return [...batch.f32("BATCH_OBSERVATIONS", 4)];
  };

  test("a step shows the state that its action was taken in", () => {
    const delayed = open({ count: 1 });
    const fresh = open({ count: 1 }, [["AVOID_OBSERVATION_DELAY", 0]]);
    delayed.reset();
    fresh.reset();
    expect([...delayed.f32("BATCH_OBSERVATIONS", 4)]).toEqual([...start, ...start]);
    let shown = [...start, ...start];
    for (let t = 0; t < 6; t++) {
      expect(advance(delayed, [0.004, 0.01])).toEqual(shown);
      shown = advance(fresh, [0.004, 0.01]);
      const told = [start[0]! + (t + 1) * Math.fround(0.004), start[1]! + (t + 1) * Math.fround(0.01)];
      expect(shown.slice(0, 2)).toEqual(told.map(Math.fround));
    }
  });

  test("the window holds the last observations, oldest first, and the last one of an ended episode", () => {
    const batch = open({ count: 1, chunk: 2, stacked: 3, record: 1 }, [["BATCH_MAX_STEPS", 4]]);
    batch.reset();
    expect([...batch.f32("BATCH_OBSERVATIONS", 12)]).toEqual([0, 1, 2].flatMap(() => [...start, ...start]));
    const steps: number[][] = [];
    for (let chunk = 0; chunk < 2; chunk++) {
      batch.f32("BATCH_ACTIONS", 4).set([0.001, 0.01, -0.002, 0.012]);
      batch.stepChunk();
      steps.push([...batch.f32("BATCH_STEP_OBSERVATIONS", 8).subarray(0, 4)], [...batch.f32("BATCH_STEP_OBSERVATIONS", 8).subarray(4)]);
    }
    expect([...batch.f32("BATCH_FINAL_OBSERVATIONS", 12)]).toEqual(steps.slice(1).flat());
    expect(batch.u32("BATCH_TRUNCATED", 1)[0]).toBe(1);
    expect(batch.u32("BATCH_TERMINATED", 1)[0]).toBe(0);
    expect([...batch.f32("BATCH_OBSERVATIONS", 12)]).toEqual([0, 1, 2].flatMap(() => [...start, ...start]));
  });

  test("without automatic reset an ended environment stands still", () => {
    const batch = open({ count: 2, chunk: 3 }, [["BATCH_MAX_STEPS", 4], ["BATCH_AUTO_RESET", 0]]);
    batch.reset();
    batch.f32("BATCH_ACTIONS", 12).fill(0.01);
    batch.stepChunk();
    batch.stepChunk();
    expect([...batch.u32("BATCH_STEPS", 2)]).toEqual([1, 1]);
    expect([...batch.u32("BATCH_TRUNCATED", 2)]).toEqual([1, 1]);
    const after = [...batch.f32("BATCH_OBSERVATIONS", 8)];
    batch.stepChunk();
    expect([...batch.u32("BATCH_STEPS", 2)]).toEqual([0, 0]);
    expect([...batch.u32("BATCH_TRUNCATED", 2)]).toEqual([0, 0]);
    expect([...batch.f32("BATCH_OBSERVATIONS", 8)]).toEqual(after);
    batch.reset(1, 2);
    batch.stepChunk();
    expect([...batch.u32("BATCH_STEPS", 2)]).toEqual([0, 3]);
  });
});

/** The flags as section 6 of the task defines them, from the positions after each env step. */
function flagsOf(path: readonly (readonly [number, number])[]): number[] {
  const flags = new Array<number>(9).fill(0);
  const level = (from: number, to: number, side: number) => {
    if (!flags.slice(from, to + 1).includes(1)) flags[side] = 1;
  };
  for (const [x, y] of path) {
    if (Math.abs(y + 0.1) <= 0.03) level(0, 1, x < 0.5 ? 0 : 1);
    if (Math.abs(y - 0.08) <= 0.03) level(2, 4, x < 0.425 ? 2 : x < 0.575 ? 3 : 4);
    if (y >= 0.26) level(5, 8, x < 0.35 ? 5 : x < 0.5 ? 6 : x < 0.65 ? 7 : 8);
  }
  return flags;
}

/** Drives a free point along a polyline at the largest speed and returns its trace and statistics. */
function drive(corners: readonly (readonly [number, number])[], settings: readonly Setting[] = []) {
  const actions: number[] = [];
  let [x, y] = [Math.fround(0.52492846634), Math.fround(-0.27973672759)];
  for (const [cx, cy] of corners) {
    const steps = Math.max(1, Math.ceil(Math.hypot(cx - x, cy - y) / 0.0125));
    for (let k = 0; k < steps; k++) actions.push((cx - x) / steps, (cy - y) / steps);
    [x, y] = [cx, cy];
  }
  for (let k = 0; k < 24; k++) actions.push(0, 0);
  const steps = actions.length / 2;
  const batch = open({ count: 1, chunk: steps, record: 2 }, [["BATCH_DOUBLE_ACTIONS", 1], ["BATCH_MAX_STEPS", 0], ...settings]);
  batch.reset();
  batch.f64("BATCH_ACTIONS", actions.length).set(actions);
  expect(batch.stepChunk()).toBe(0);
  const width = batch.get("BATCH_TRACE_SIZE");
  const trace = batch.f64("BATCH_TRACE", (steps + 1) * width);
  const column = (name: string, offset = 0) =>
    Array.from({ length: steps + 1 }, (_, row) => trace[row * width + batch.constant(`AVOID_TRACE_${name}`) + offset]!);
  const xs = column("ACTUAL");
  const ys = column("ACTUAL", 1);
  const mode = column("MODE").at(-1)!;
  const running = [...batch.f64("BATCH_RUNNING", 8)];
  return {
    path: xs.map((value, row) => [value, ys[row]!] as const),
    flags: Array.from({ length: 9 }, (_, bit) => (mode >> bit) & 1),
    rewards: column("REWARD").slice(1),
    statistics: (name: string) => running[batch.constant(name) / 8]!,
  };
}

describe("modes and rewards", () => {
  const ways: readonly [mode: string, corners: readonly (readonly [number, number])[]][] = [
    ["025", [[0.42, -0.2], [0.42, -0.05], [0.36, 0.08], [0.28, 0.26], [0.28, 0.45]]],
    ["136", [[0.58, -0.2], [0.58, -0.05], [0.5, 0.08], [0.43, 0.26], [0.43, 0.45]]],
    ["147", [[0.62, -0.2], [0.62, -0.05], [0.64, 0.08], [0.57, 0.26], [0.57, 0.45]]],
    ["038", [[0.42, -0.2], [0.42, -0.05], [0.5, 0.08], [0.7, 0.26], [0.68, 0.42]]],
  ];

  test.each(ways)("a way made for mode %s sets its flags and no others", (mode, corners) => {
    const { path, flags } = drive(corners, [["AVOID_OBSTACLES", 0]]);
    expect(flags).toEqual(Array.from({ length: 9 }, (_, bit) => (mode.includes(String(bit)) ? 1 : 0)));
    expect(flags).toEqual(flagsOf(path.slice(1)));
  });

  test("a level counts once: what comes first stays", () => {
    const { flags, path } = drive([[0.42, -0.2], [0.42, -0.1], [0.6, -0.1], [0.42, -0.1]], [["AVOID_OBSTACLES", 0]]);
    expect(path.some(([x]) => x > 0.55)).toBe(true);
    expect(flags.slice(0, 2)).toEqual([1, 0]);
    expect(flags).toEqual(flagsOf(path.slice(1)));
  });

  test("the way of mode 125 earns 1 for its flag and 1 beyond 0.40, the others only the line", () => {
    const corners: readonly (readonly [number, number])[] = [[0.56, -0.2], [0.56, -0.08], [0.36, 0.08], [0.28, 0.26], [0.28, 0.47]];
    for (const flag of [5, 6, 7, 8, 0]) {
      const { path, flags, rewards, statistics } = drive(corners, [["AVOID_REWARD_FLAG", flag]]);
      expect(statistics("AVOID_EPISODE_COLLIDED")).toBe(0);
      const expected = path.slice(0, -1).map(([, y], t) => {
        const isMode = flag > 0 && flagsOf(path.slice(1, t + 1))[flag] === 1;
        return (isMode ? 1 : 0) + (y > 0.4 ? 1 : 0);
      });
      expect(rewards).toEqual(expected);
      expect(Math.max(...rewards)).toBe(flag === 5 ? 2 : 1);
      expect(flags[5]).toBe(1);
    }
  });

  test("the sparse reward pays only where mode and line hold", () => {
    const corners: readonly (readonly [number, number])[] = [[0.56, -0.2], [0.56, -0.08], [0.36, 0.08], [0.28, 0.26], [0.28, 0.47]];
    const dense = drive(corners);
    const sparse = drive(corners, [["AVOID_SPARSE", 1]]);
    expect(sparse.rewards).toEqual(dense.rewards.map((reward) => (reward === 2 ? 1 : 0)));
    expect(drive(corners, [["AVOID_SPARSE", 1], ["AVOID_REWARD_FLAG", 7]]).rewards.every((reward) => reward === 0)).toBe(true);
  });

  test("a hit cylinder is remembered and costs 0.1 a step until the end", () => {
    const { rewards, statistics } = drive([[0.5, -0.2], [0.5, -0.05]]);
    expect(statistics("AVOID_EPISODE_COLLIDED")).toBe(1);
    expect(statistics("AVOID_EPISODE_OBSTACLE")).toBe(0);
    const first = rewards.indexOf(-0.1);
    expect(first).toBeGreaterThan(0);
    expect(rewards.slice(first).every((reward) => reward === -0.1)).toBe(true);
    const free = drive([[0.5, -0.2], [0.5, -0.05]], [["AVOID_OBSTACLES", 0]]);
    expect(free.statistics("AVOID_EPISODE_COLLIDED")).toBe(0);
    expect(free.rewards.every((reward) => reward === 0)).toBe(true);
  });

  test("outside 0.2 to 0.8 the reward is -0.1 for as long as it lasts", () => {
    const { path, rewards } = drive([[0.32, -0.25], [0.18, -0.25], [0.35, -0.25]], [["AVOID_OBSTACLES", 0], ["AVOID_LEVEL", 1]]);
    expect(rewards).toEqual(path.slice(0, -1).map(([x]) => (x < 0.2 ? -0.1 : 0)));
    expect(rewards).toContain(-0.1);
    expect(rewards.at(-1)).toBe(0);
  });
});

describe("starts", () => {
  const box = (batch: PhysicsBatch, x0: number, y0: number, x1: number, y1: number) => {
    for (const [name, value] of [["X0", x0], ["Y0", y0], ["X1", x1], ["Y1", y1]] as const) batch.setDouble(`AVOID_START_${name}`, value);
  };

  test("a box of starts is filled from the seed, within 3 mm of what was drawn and clear of every cylinder", () => {
    const count = 200;
    const batch = open({ count });
    box(batch, 0.35, -0.2, 0.65, 0.15);
    expect(batch.reset()).toBe(0);
    const starts = [...batch.f64("BATCH_STARTS", 2 * count)];
    const place = (e: number) => [starts[2 * e]!, starts[2 * e + 1]!] as const;
    for (let e = 0; e < count; e++) {
      const [x, y] = place(e);
      expect(x).toBeGreaterThan(0.347);
      expect(x).toBeLessThan(0.653);
      expect(y).toBeGreaterThan(-0.203);
      expect(y).toBeLessThan(0.153);
      for (const [ox, oy, radius] of [[0.5, -0.1, 0.03], [0.425, 0.08, 0.025], [0.575, 0.08, 0.025]] as const) {
        expect(Math.hypot(x - ox, y - oy)).toBeGreaterThan(radius + 0.009);
      }
    }
    const mean = starts.filter((_, i) => i % 2 === 0).reduce((sum, x) => sum + x, 0) / count;
    expect(mean).toBeGreaterThan(0.47);
    expect(mean).toBeLessThan(0.53);
    expect([...batch.u32("BATCH_SEEDS", 2)]).toEqual([count, count + 1]);

    const again = open({ count: 3 });
    box(again, 0.35, -0.2, 0.65, 0.15);
    again.u32("BATCH_SEEDS", 3).set([7, 0, 199]);
    again.reset();
    expect([...again.f64("BATCH_STARTS", 6)]).toEqual([...place(7), ...place(0), ...place(199)]);
  });

  test("the arm rests where it starts: zero actions keep it within the transient of 5 mm", () => {
    const batch = open({ count: 3, chunk: 50, record: 2 }, [["BATCH_USE_STARTS", 1]]);
    batch.f64("BATCH_STARTS", 6).set([0.4, -0.2, 0.6, 0.0, 0.45, 0.35]);
    expect(batch.reset()).toBe(0);
    batch.stepChunk();
    const width = batch.get("BATCH_TRACE_SIZE");
    const trace = batch.f64("BATCH_TRACE", 3 * 51 * width);
    const place = batch.constant("AVOID_TRACE_ACTUAL");
    for (const [e, [x, y]] of [[0.4, -0.2], [0.6, 0], [0.45, 0.35]].entries()) {
      for (let row = 0; row <= 50; row++) {
        const at = (e * 51 + row) * width + place;
        expect(Math.hypot(trace[at]! - x!, trace[at + 1]! - y!)).toBeLessThan(0.005);
      }
    }
  });

  test.each([
    ["out of reach", 1.2, 0.3],
    ["inside a cylinder", 0.5, 0.26],
    ["no number", Number.NaN, 0],
  ])("a start %s is reported, and the task's own is taken", (_, x, y) => {
    const batch = open({ count: 2 }, [["BATCH_USE_STARTS", 1]]);
    batch.f64("BATCH_STARTS", 4).set([0.45, 0, x, y]);
    expect(batch.reset()).toBe(2);
    const observations = batch.f32("BATCH_OBSERVATIONS", 8);
    expect(observations[4]).toBe(Math.fround(0.52492846634));
    expect(Math.abs(observations[0]! - 0.45)).toBeLessThan(0.003);
  });
});
