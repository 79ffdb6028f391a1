import { expect, test } from "vitest";
import { rowScatter, rowScatterSpec } from "../../src/kernels/nn/row-scatter.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

function scattered(src: Float32Array, index: Uint32Array, before: Float32Array, width: number): Float32Array {
  const dst = before.slice();
  const last = before.length / width - 1;
  for (const [r, row] of index.entries()) dst.set(src.subarray(r * width, (r + 1) * width), Math.min(row, last) * width);
  return dst;
}

function launch(rows: number, width: number, dstRows: number, seed: number) {
  const [src, dst] = [testNumbers(rows * width, seed), testNumbers(dstRows * width, seed + 1)];
  // Some rows for the same place, some beyond the end.
  const index = Uint32Array.from(testNumbers(rows, seed + 2), (value) => Math.floor((value + 1) * 0.6 * dstRows));
  return { src, dst, index };
}

proveKernel(rowScatterSpec, [[1, 1, 1], [3, 2, 5], [31, 8, 4], [33, 33, 100], [65, 300, 20], [257, 3, 50]].map(([rows, width, dstRows]) => {
  const { src, dst, index } = launch(rows!, width!, dstRows!, rows!);
  return {
    title: `${rows}x${width} into ${dstRows}`,
    params: { rows: rows!, width: width!, dstRows: dstRows! },
    inputs: { src, dst, index },
    expected: { dst: scattered(src, index, dst, width!) },
    tolerance: { absolute: 0 },
  };
}));

test.each(engines)("of rows for one place the last one stays on %s", async (engine) => {
  const device = await deviceFor(engine);
  const src = device.tensor([4, 2], { data: [1, 2, 3, 4, 5, 6, 7, 8] });
  const index = device.tensor([4], { dtype: "u32", data: [2, 0, 2, 9] });
  const dst = device.tensor([4, 2]);
  using program = await device.program("scatter", (recorder) => { rowScatter(recorder, { src, index, dst }, { rows: 4, width: 2 }); });
  program.run();
  expect([...await device.read(dst)]).toEqual([3, 4, 0, 0, 5, 6, 7, 8]);
});

proveAgreement(rowScatterSpec, "bits", 60, ([rows, width, dstRows], seed) => ({ params: { rows, width, dstRows }, inputs: launch(rows, width, dstRows, seed) }));
