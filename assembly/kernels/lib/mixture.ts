/** What the mixture kernels share: components of one row. */
import { exp4, madd, splat } from "./math";
import { sumLanes } from "./sum";
import { loadPart } from "./tail";

/** Largest number of components. */
export const LARGEST_MIXTURE: u32 = 16;

/** sum_c ln N(x[c]; mean[c], exp(logStd[c])^2) for one component: pointers to its rows of `width` numbers. */
export function componentDensity(x: usize, mean: usize, logStd: usize, width: u32): f32 {
  let squares = splat(0);
  let logs = splat(0);
  for (let c: u32 = 0; c < width; c += 4) {
    const left = width - c;
    const at = <usize>c << 2;
    const s = loadPart(logStd + at, left);
    const z = f32x4.mul(f32x4.sub(loadPart(x + at, left), loadPart(mean + at, left)), exp4(f32x4.neg(s)));
    squares = madd(z, z, squares);
    logs = f32x4.add(logs, s);
  }
  return <f32>-0.5 * sumLanes(squares) - sumLanes(logs) - <f32>width * <f32>0.91893853;
}

/** e^x of one number, by the function of the vectors. */
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(splat(x)), 0);
}
