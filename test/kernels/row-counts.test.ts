import { expect, test } from "vitest";
import { rowCounts, rowCountsSpec } from "../../src/kernels/rl/row-counts.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

proveKernel(rowCountsSpec, ([[1, 1, 1], [3, 33, 1], [31, 65, 4], [300, 700, 3], [257, 256, 10]] as const).map(([rows, count, divisor], at) => {
  const offset = 5 * at;
  // A few indices name rows behind the last one: they count nowhere.
  const index = Uint32Array.from(testNumbers(offset + count, at), (value) => Math.floor(((value + 1) / 2) * (rows + 1) * divisor));
  const counts = new Float32Array(rows);
  for (const i of index.subarray(offset)) {
    const row = Math.floor(i / divisor);
    if (row < rows) counts[row]! += 1;
  }
  return {
    title: `${count} indices of ${rows} rows by ${divisor}`,
    params: { rows, count, offset, divisor },
    inputs: { index },
    expected: { counts },
    tolerance: { absolute: 0 },
  };
}));

test.each(engines)("every transition of an epoch is counted once, %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, divisor, count] = [40, 3, 60];
  const permutation = Uint32Array.from({ length: rows * divisor }, (_, i) => (i * 7) % (rows * divisor));
  const index = device.tensor([permutation.length], { dtype: "u32", data: permutation });
  const counts = device.tensor([rows]);
  let launch: ReturnType<typeof rowCounts> | undefined;
  using program = await device.program("count", (recorder) => {
    launch = rowCounts(recorder, { index, counts }, { rows, count, divisor });
  });
  const sums = new Float32Array(rows);
  for (const offset of [0, count]) {
    launch!.update({ offset });
    program.run();
    for (const [row, number] of (await device.read(counts)).entries()) sums[row]! += number;
  }
  expect([...sums]).toEqual(Array.from({ length: rows }, () => divisor));
});
