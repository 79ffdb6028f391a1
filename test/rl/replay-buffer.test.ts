import { describe, expect, test } from "vitest";
import { affineColumns } from "../../src/kernels/nn/affine-columns.js";
import { ReplayBuffer, type ReplayRows } from "../../src/rl/replay-buffer.js";
import { deviceFor, engines } from "../kernels/harness.js";

const sizes = { conditionWidth: 2, chunkWidth: 3 };

/** Rows whose numbers tell which row they are. */
function rowsFrom(first: number, rows: number): ReplayRows {
  const column = (width: number, factor: number): Float32Array => Float32Array.from({ length: rows * width }, (_, at) => factor * (first + Math.floor(at / width)));
  return { rows, states: column(2, 1), chunks: column(3, 10), nextStates: column(2, 100), rewards: column(1, 1000), terminated: new Float32Array(rows) };
}

describe.each(engines)("a replay buffer on %s", (engine) => {
  test("forgets the oldest rows first, and knows which is the oldest", async () => {
    const device = await deviceFor(engine);
    const buffer = new ReplayBuffer(device, { capacity: 5, ...sizes });
    buffer.push(rowsFrom(1, 3));
    expect([buffer.size, buffer.oldest]).toEqual([3, 0]);
    buffer.push(rowsFrom(4, 4));
    expect([buffer.size, buffer.oldest]).toEqual([5, 2]);
    expect([...await device.read(buffer.columns.rewards)]).toEqual([6000, 7000, 3000, 4000, 5000]);
    expect([...await device.read(buffer.columns.chunks)].filter((_, at) => at % 3 === 2)).toEqual([60, 70, 30, 40, 50]);
    // Of more rows than fit, the last stay.
    buffer.push(rowsFrom(10, 12));
    expect([...await device.read(buffer.columns.rewards)].sort()).toEqual([17000, 18000, 19000, 20000, 21000]);
    buffer.close();
  });

  test("draws rows that are there, of all columns alike, equal for equal steps", async () => {
    const device = await deviceFor(engine);
    const buffer = new ReplayBuffer(device, { capacity: 100, ...sizes });
    const kept = { states: device.tensor([40, 2]), rewards: device.tensor([40]) };
    let setStep = (_: number): void => undefined;
    using program = await device.program("draw", (recorder) => {
      const { batch, draw } = buffer.recordDraw(recorder, 40, { seed: [1, 0], stream: 3, step: 0 });
      setStep = (step) => { draw.update({ step }); };
      affineColumns(recorder, { src: batch.state, dst: kept.states }, { rows: 40, columns: 2 });
      affineColumns(recorder, { src: batch.rewards, dst: kept.rewards }, { rows: 40, columns: 1 });
    });
    buffer.push(rowsFrom(1, 7));
    const draw = async (step: number): Promise<number[]> => {
      setStep(step);
      program.run();
      const [states, rewards] = await device.readAll([kept.states, kept.rewards]);
      for (const [at, reward] of rewards!.entries()) expect(1000 * states![2 * at]!).toBe(reward);
      return [...rewards!];
    };
    const first = await draw(1);
    expect(new Set(first)).toEqual(new Set([1000, 2000, 3000, 4000, 5000, 6000, 7000]));
    expect(await draw(2)).not.toEqual(first);
    expect(await draw(1)).toEqual(first);
    buffer.close();
  });

  test("goes on from what was saved, gone round or longer than before", async () => {
    const device = await deviceFor(engine);
    const [before, after] = [new ReplayBuffer(device, { capacity: 5, ...sizes }), new ReplayBuffer(device, { capacity: 5, ...sizes })];
    before.push(rowsFrom(1, 7));
    const { floats, cursor } = await before.save();
    after.restore(floats, cursor);
    for (const buffer of [before, after]) buffer.push(rowsFrom(20, 2));
    expect(await device.read(after.columns.states)).toEqual(await device.read(before.columns.states));
    expect(after.oldest).toBe(before.oldest);
    const exact = new ReplayBuffer(device, { capacity: 3, ...sizes });
    exact.push(rowsFrom(1, 3));
    const full = await exact.save();
    const longer = new ReplayBuffer(device, { capacity: 5, ...sizes });
    longer.restore(full.floats, full.cursor);
    longer.push(rowsFrom(4, 1));
    expect([...await device.read(longer.columns.rewards)]).toEqual([1000, 2000, 3000, 4000, 0]);
    expect(() => exact.restore(floats, cursor)).toThrow(/remembers 5 rows/);
    for (const buffer of [before, after, exact, longer]) buffer.close();
  });
});
