import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pushtDeterminismHash, pushtHash } from "../envs/determinism-hash.ts";
import { goldenFolder } from "../golden-runner/golden-file.ts";
import { PushtBatch } from "../golden-runner/pusht-batch.ts";
import { runPushtGolden } from "../golden-runner/pusht.ts";
import { formatFailures } from "../golden-runner/report.ts";

const stateSize = 18;

/** Draws targets: most of them on the T, so that it is pushed, turned and pressed through walls. */
function chase(batches: readonly PushtBatch[], count: number, chunk: number, draw: () => number): void {
  const observations = batches[0]!.f32("BATCH_OBSERVATIONS", count * 5);
  const actions = batches.map((batch) => batch.f32("BATCH_ACTIONS", count * chunk * 2));
  for (let index = 0; index < count; index++) {
    const isNear = draw() < 0.8;
    const x = isNear ? observations[5 * index + 2]! + 120 * (draw() - 0.5) : 512 * draw();
    const y = isNear ? observations[5 * index + 3]! + 120 * (draw() - 0.5) : 512 * draw();
    for (const values of actions) for (let step = 0; step < chunk; step++) values.set([x, y], 2 * (index * chunk + step));
  }
}

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** Every number of the states, one row per environment. */
function states(batch: PushtBatch, count: number): number[] {
  const out = batch.memory.allocate(stateSize * 8);
  const rows = Array.from({ length: count }, (_, index) => {
    batch.call("pusht_read_state", batch.pointer, index, out);
    return [...batch.memory.f64(out, stateSize)];
  });
  batch.memory.free(out);
  return rows.flat();
}

describe("push-t physics", () => {
  test("every golden trace and solver state is equal in every bit on both collision paths; resets and coverage hold", async () => {
    const rows = await runPushtGolden(`${goldenFolder}/pusht`);
    expect(formatFailures(rows)).toBe("");
    const traces = rows.filter(({ file, quantity }) => file.endsWith(".f64") && quantity.startsWith("pose"));
    expect(traces.length).toBeGreaterThan(40);
    expect(traces.filter(({ note }) => note !== "bit for bit")).toEqual([]);
  });

  test("the fast collision path has the bits of the exact one, through corners, walls and overlaps", () => {
    const [count, chunk] = [16, 8];
    const batches = ["PUSHT_FAST", "PUSHT_EXACT"].map((path) => {
      const batch = new PushtBatch({ count, chunk });
      batch.set("PUSHT_COLLISION", batch.constant(path));
      batch.set("PUSHT_END_ON_SUCCESS", 0);
      batch.set("PUSHT_TRUNCATE_OUTSIDE", 1);
      batch.reset();
      return batch;
    });
    const draw = generator(7);
    let contacts = 0;
    for (let round = 0; round < 200; round++) {
      chase(batches, count, chunk, draw);
      for (const batch of batches) expect(batch.stepChunk()).toBe(0);
      const [fast, exact] = batches.map((batch) => states(batch, count));
      expect(fast).toEqual(exact);
      contacts += fast!.filter((value, place) => place % stateSize === 16 && value > 0).length;
    }
    expect(contacts).toBeGreaterThan(1000);
  });

  test("any split of a batch gives the same bits, whoever shares the solver's list", () => {
    const [count, chunk] = [19, 5];
    const splits = [[0, 19], [0, 1, 2, 3, 9, 19], [0, 8, 11, 19]];
    const batches = splits.map(() => new PushtBatch({ count, chunk }));
    for (const batch of batches) batch.reset();
    const draw = generator(3);
    for (let round = 0; round < 60; round++) {
      chase(batches, count, chunk, draw);
      for (const [place, batch] of batches.entries()) {
        const bounds = splits[place]!;
        for (let part = 1; part < bounds.length; part++) batch.stepChunk(bounds[part - 1], bounds[part]);
      }
      const all = batches.map((batch) => [...states(batch, count), ...batch.f32("BATCH_REWARDS", count)]);
      for (const other of all.slice(1)) expect(other.every((value, place) => Object.is(value, all[0]![place]))).toBe(true);
    }
  });

  test("500 seeded steps have one hash", () => {
    expect(pushtDeterminismHash()).toBe(pushtHash);
  });

  test("a bad action is refused, named, and moves nothing in the range", () => {
    const batch = new PushtBatch({ count: 4, chunk: 3 });
    batch.reset();
    const before = states(batch, 4);
    const actions = batch.f32("BATCH_ACTIONS", 24);
    for (const bad of [Number.NaN, Infinity, -Infinity, 2e9]) {
      for (const place of [0, 11, 23]) {
        actions.fill(200);
        actions[place] = bad;
        expect(batch.stepChunk()).toBe(place + 1);
        expect(batch.call("batch_check_actions", batch.pointer, 0, 4)).toBe(place + 1);
        expect(states(batch, 4)).toEqual(before);
      }
    }
  });

  test("the largest actions leave every state finite", () => {
    const batch = new PushtBatch({ count: 2, chunk: 4 });
    batch.reset();
    const actions = batch.f32("BATCH_ACTIONS", 16);
    for (let round = 0; round < 40; round++) {
      actions.fill(round % 2 === 0 ? 1e9 : -1e9);
      expect(batch.stepChunk()).toBe(0);
      expect(states(batch, 2).every(Number.isFinite)).toBe(true);
    }
  });

  test("coverage and reward stay within 0 and 1 from any start, overlapping ones too", () => {
    const batch = new PushtBatch({ count: 1, chunk: 4, record: 2 });
    batch.set("BATCH_USE_STARTS", 1);
    batch.set("PUSHT_END_ON_SUCCESS", 0);
    const [px, angle] = [fc.double({ min: 0, max: 512, noNaN: true }), fc.double({ min: -10, max: 10, noNaN: true })];
    fc.assert(
      fc.property(px, px, px, px, angle, px, px, (agentX, agentY, blockX, blockY, turn, targetX, targetY) => {
        batch.f64("BATCH_STARTS", 5).set([agentX, agentY, blockX, blockY, turn]);
        batch.reset();
        batch.f32("BATCH_ACTIONS", 8).set([targetX, targetY, targetX, targetY, targetX, targetY, targetX, targetY]);
        expect(batch.stepChunk()).toBe(0);
        const trace = batch.f64("BATCH_TRACE", 5 * 16);
        for (let row = 0; row < 5; row++) {
          for (const value of trace.subarray(16 * row + 13, 16 * row + 15)) expect(value >= 0 && value <= 1).toBe(true);
        }
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  test("sizes beyond reason are refused before anything is laid out", () => {
    const batch = new PushtBatch({ count: 1 });
    const bytes = (...shape: readonly number[]) => batch.call("pusht_batch_bytes", ...shape);
    for (const shape of [[0, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 3, 0], [1, 1, 1, 0, 4], [2 ** 20, 4096, 64, 1, 3], [-1, 1, 1, 0, 0]]) {
      expect(bytes(...shape)).toBe(0);
    }
    expect(bytes(1, 1, 1, 0, 0)).toBeGreaterThan(0);
  });
});
