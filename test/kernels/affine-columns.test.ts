import { expect, test } from "vitest";
import { noLimit } from "../../src/engine/kernel-spec.js";
import { affineColumns, affineColumnsSpec } from "../../src/kernels/nn/affine-columns.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1, 1], [3, 5, 5], [31, 32, 4], [33, 31, 31], [65, 65, 13], [257, 2, 1]] as const;

proveKernel(affineColumnsSpec, shapes.flatMap(([rows, columns, period], at) => {
  const [srcStride, dstStride, srcOffset, dstOffset] = [columns + 3, columns + at, 2 * at, 5];
  const src = testNumbers(srcOffset + rows * srcStride, at);
  const dst = testNumbers(dstOffset + rows * dstStride, at + 1);
  const scale = testNumbers(period, at + 2);
  const shift = testNumbers(period, at + 3);
  const limit = at % 2 === 0 ? 0.5 : noLimit;
  const expected = (of: (x: number, c: number) => number): number[] => Array.from(dst, (value, n) => {
    const [r, c] = [Math.floor((n - dstOffset) / dstStride), (n - dstOffset) % dstStride];
    return n >= dstOffset && r < rows && c < columns ? of(src[srcOffset + r * srcStride + c]!, c) : value;
  });
  const params = { rows, columns, srcOffset, srcStride, dstOffset, dstStride };
  return [{
    title: `map of ${rows}x${columns}, period ${period}`,
    params: { ...params, period, hasMap: 1, limit },
    inputs: { src, scale, shift, dst },
    expected: { dst: expected((x, c) => Math.min(Math.max(scale[c % period]! * x + shift[c % period]!, -limit), limit)) },
    tolerance: { relative: 1e-6, absolute: 1e-7 },
  }, {
    title: `copy of ${rows}x${columns}`,
    params: { ...params, period: columns, hasMap: 0, limit: noLimit },
    inputs: { src, dst },
    expected: { dst: expected((x) => x) },
    tolerance: { absolute: 0 },
  }];
}));

test.each(engines)("affine columns land where an update moves them, %s", async (engine) => {
  using device = await deviceFor(engine);
  const src = device.tensor([2, 3], { data: [1, 2, 3, 4, 5, 6] });
  const dst = device.tensor([12]);
  let launch: ReturnType<typeof affineColumns> | undefined;
  using program = await device.program("store", (recorder) => {
    launch = affineColumns(recorder, { src, dst }, { rows: 2, columns: 3, dstOffset: 6 });
  });
  program.run();
  launch!.update({ dstOffset: 0 });
  program.run();
  expect(Array.from(await device.read(dst))).toEqual([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
});
