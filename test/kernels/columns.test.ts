import { expect, test } from "vitest";
import { columnSum, concatColumns, columnSumSpec, copyColumnsSpec, splitColumns } from "../../src/kernels/nn/columns.js";
import { rowGather, rowGatherSpec, rowGatherU32Spec } from "../../src/kernels/nn/row-gather.js";
import { expectClose } from "../close.js";
import { concatColumns as concatReference, splitColumns as splitReference } from "../reference/columns.js";
import { gatherRows } from "../reference/gather.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const same = { absolute: 0 };

/** Whole numbers below `limit`. */
function testIndices(length: number, seed: number, limit: number): Uint32Array {
  return Uint32Array.from(testNumbers(length, seed), (value) => Math.floor(((value + 1) / 2) * limit));
}

const identityMap = { divisor: 1, quotientStride: 1, remainderStride: 0, base: 0 };
const gatherShapes = [[1, 1, 1], [3, 5, 7], [31, 32, 3], [33, 31, 32], [65, 2, 33], [257, 9, 65]] as const;

proveKernel(rowGatherSpec, gatherShapes.flatMap(([rows, sourceRows, width], at) => {
  const source = testNumbers(sourceRows * width, at);
  const indexOffset = at * 7;
  const index = testIndices(indexOffset + rows, at + 1, sourceRows);
  const steps = 3;
  const samples = testIndices(rows, at + 2, 4 * steps);
  const chain = testNumbers(4 * (steps + 1) * width, at + 3);
  return [{
    title: `${rows} of ${sourceRows} rows of ${width}`,
    params: { rows, width, sourceRows, indexOffset, ...identityMap },
    inputs: { source, index },
    expected: { out: gatherRows(source, index.subarray(indexOffset), width) },
    tolerance: same,
  }, {
    title: `${rows} places of chains of ${width}`,
    params: { rows, width, sourceRows: 4 * (steps + 1), indexOffset: 0, divisor: steps, quotientStride: steps + 1, remainderStride: 1, base: 1 },
    inputs: { source: chain, index: samples },
    expected: { out: gatherRows(chain, samples.map((i) => Math.floor(i / steps) * (steps + 1) + (i % steps) + 1), width) },
    tolerance: same,
  }];
}));

proveKernel(rowGatherU32Spec, gatherShapes.map(([rows, sourceRows, width], at) => {
  // Bits that are NaN to a float: they must come through.
  const source = testIndices(sourceRows * width, at, 2 ** 32).map((word) => (word | 0x7f800001) >>> 0);
  const index = testIndices(rows, at + 1, sourceRows);
  return {
    title: `${rows} of ${sourceRows} rows of ${width}`,
    params: { rows, width, sourceRows, indexOffset: 0, ...identityMap },
    inputs: { source, index },
    expected: { out: gatherRows(source, index, width) },
    tolerance: same,
  };
}));

proveKernel(rowGatherSpec, [{
  title: "an index beyond the source takes its last row",
  params: { rows: 3, width: 2, sourceRows: 2, indexOffset: 0, ...identityMap },
  inputs: { source: [1, 2, 3, 4], index: [0, 2, 0xffffffff] },
  expected: { out: [1, 2, 3, 4, 3, 4] },
  tolerance: same,
}]);

proveKernel(copyColumnsSpec, ([[1, 1, 0, 0], [3, 3, 1, 2], [31, 32, 5, 0], [33, 31, 0, 7], [65, 65, 3, 3], [257, 2, 1, 4]] as const).map(
  ([rows, columns, srcColumn, dstColumn], at) => {
    const srcStride = srcColumn + columns + 2;
    const dstStride = dstColumn + columns + 1;
    const src = testNumbers(rows * srcStride, at);
    const dst = testNumbers(rows * dstStride, at + 1);
    const expected = dst.map((value, n) => {
      const c = (n % dstStride) - dstColumn;
      return c >= 0 && c < columns ? src[Math.floor(n / dstStride) * srcStride + srcColumn + c]! : value;
    });
    return {
      title: `${rows}x${columns}`,
      params: { rows, columns, srcStride, srcColumn, dstStride, dstColumn },
      inputs: { src, dst },
      expected: { dst: expected },
      tolerance: same,
    };
  },
));

proveKernel(columnSumSpec, ([[1, 1, 1], [3, 31, 3], [31, 3, 10], [32, 33, 32], [65, 64, 64], [257, 65, 50]] as const).map(([rows, columns, blockRows], at) => {
  const stride = columns + 3;
  const x = testNumbers(rows * stride, at);
  const out = new Float64Array(Math.ceil(rows / blockRows) * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[Math.floor(r / blockRows) * columns + c]! += 0.75 * x[r * stride + 2 + c]!;
  }
  return {
    title: `${rows}x${columns} by ${blockRows}`,
    params: { rows, columns, stride, offset: 2, blockRows, scale: 0.75 },
    inputs: { x },
    expected: { out },
    tolerance: { relative: 2e-6 },
  };
}));

test.each(engines)("many rows are added in blocks on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, columns] = [70_000, 2];
  const data = testNumbers(rows * columns, 5).map((value) => value + 1);
  const x = device.tensor([rows, columns], { data });
  const out = device.tensor([columns]);
  const program = await device.program("sum", (recorder) => columnSum(recorder, { x, out }, { rows, columns, scale: 0.5 }));
  program.run();
  const expected = [0, 1].map((c) => data.reduce((sum, value, n) => (n % 2 === c ? sum + value : sum), 0) / 2);
  expectClose(await device.read(out), expected, { relative: 2e-6 });
  program.close();
  for (const tensor of [x, out]) device.free(tensor);
});

test.each(engines)("columns join and part on %s", async (engine) => {
  const device = await deviceFor(engine);
  const rows = 33;
  const widths = [8, 16, 4];
  const parts = widths.map((width, at) => testNumbers(rows * width, at));
  const inputs = parts.map((data, at) => device.tensor([rows, widths[at]!], { data }));
  const outputs = widths.map((width) => device.tensor([rows, width]));
  const joined = device.tensor([rows, 28]);
  const program = await device.program("columns", (recorder) => {
    concatColumns(recorder, inputs.map((tensor, at) => ({ tensor, columns: widths[at]! })), joined, { rows });
    splitColumns(recorder, joined, outputs.map((tensor, at) => ({ tensor, columns: widths[at]! })), { rows });
  });
  program.run();
  const [whole, ...parted] = await device.readAll([joined, ...outputs]);
  const expected = concatReference(parts, widths, rows);
  expect([...whole!]).toEqual([...expected]);
  expect(parted.map((part) => [...part])).toEqual(splitReference(expected, widths, rows).map((part) => [...part]));
  program.close();
  for (const tensor of [...inputs, ...outputs, joined]) device.free(tensor);
});

test.each(engines)("a gather moves to the next minibatch by an update on %s", async (engine) => {
  const device = await deviceFor(engine);
  const source = device.tensor([10, 2], { data: Array.from({ length: 20 }, (_, n) => n) });
  const index = device.tensor([10], { dtype: "u32", data: [3, 1, 4, 0, 5, 9, 2, 6, 8, 7] });
  const out = device.tensor([3, 2]);
  let move = (_indexOffset: number): void => undefined;
  const program = await device.program("minibatches", (recorder) => {
    const launch = rowGather(recorder, { source, index, out }, { rows: 3, width: 2 });
    move = (indexOffset) => launch.update({ indexOffset });
  });
  program.run();
  expect([...(await device.read(out))]).toEqual([6, 7, 2, 3, 8, 9]);
  move(3);
  program.run();
  expect([...(await device.read(out))]).toEqual([0, 1, 10, 11, 18, 19]);
  expect(() => move(8)).toThrow(/index/);
  program.close();
  for (const tensor of [source, index, out]) device.free(tensor);
});

proveAgreement(rowGatherSpec, "bits", 90, ([rows, width, sourceRows, indexOffset], seed) => ({
  params: { rows, width, sourceRows, indexOffset, ...identityMap },
  inputs: { source: testNumbers(sourceRows * width, seed), index: testIndices(indexOffset + rows, seed, sourceRows) },
}));

proveAgreement(copyColumnsSpec, "bits", 90, ([rows, columns, srcColumn, dstColumn], seed) => ({
  params: { rows, columns, srcStride: srcColumn + columns, srcColumn, dstStride: dstColumn + columns, dstColumn },
  inputs: { src: testNumbers(rows * (srcColumn + columns), seed), dst: testNumbers(rows * (dstColumn + columns), seed + 1) },
}));

proveAgreement(columnSumSpec, { relative: 2e-6 }, 90, ([rows, columns, offset, stride], seed) => ({
  params: { rows, columns, stride, offset, blockRows: 7, scale: 2 },
  inputs: { x: testNumbers((rows - 1) * stride + offset + columns, seed) },
}));

proveAgreement(rowGatherU32Spec, "bits", 90, ([rows, width, sourceRows, divisor], seed) => ({
  params: { rows, width, sourceRows, indexOffset: 0, divisor, quotientStride: 2, remainderStride: 1, base: 1 },
  inputs: { source: testIndices(sourceRows * width, seed, 2 ** 32), index: testIndices(rows, seed, sourceRows) },
}));
