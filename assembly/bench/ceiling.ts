/**
 * The most that WASM SIMD does on this processor: what the shares of the benchmark are shares of. Not part of the package.
 */

/** Flops of one round of {@link multiplyAdd}. */
export const ROUND_FLOPS: u32 = ASC_FEATURE_RELAXED_SIMD ? 96 : 48;

/**
 * `count` rounds over twelve independent chains of four lanes: multiply-adds where they are fused, else six chains of
 * products and six of sums, so that no unit waits for another. The result keeps them alive.
 */
export function multiplyAdd(count: u32): f32 {
  let a = f32x4.splat(1);
  let b = f32x4.splat(2);
  let c = f32x4.splat(3);
  let d = f32x4.splat(4);
  let e = f32x4.splat(5);
  let f = f32x4.splat(6);
  let g = f32x4.splat(7);
  let h = f32x4.splat(8);
  let i = f32x4.splat(9);
  let j = f32x4.splat(10);
  let k = f32x4.splat(11);
  let l = f32x4.splat(12);
  // Products that neither grow nor fade: infinities and denormals have a speed of their own.
  const m = f32x4.splat(ASC_FEATURE_RELAXED_SIMD ? 0.999 : -1);
  const n = f32x4.splat(0.001);
  for (let round: u32 = 0; round < count; round++) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      a = f32x4.relaxed_madd(a, m, n);
      b = f32x4.relaxed_madd(b, m, n);
      c = f32x4.relaxed_madd(c, m, n);
      d = f32x4.relaxed_madd(d, m, n);
      e = f32x4.relaxed_madd(e, m, n);
      f = f32x4.relaxed_madd(f, m, n);
      g = f32x4.relaxed_madd(g, m, n);
      h = f32x4.relaxed_madd(h, m, n);
      i = f32x4.relaxed_madd(i, m, n);
      j = f32x4.relaxed_madd(j, m, n);
      k = f32x4.relaxed_madd(k, m, n);
      l = f32x4.relaxed_madd(l, m, n);
    } else {
      a = f32x4.mul(a, m);
      b = f32x4.mul(b, m);
      c = f32x4.mul(c, m);
      d = f32x4.mul(d, m);
      e = f32x4.mul(e, m);
      f = f32x4.mul(f, m);
      g = f32x4.add(g, n);
      h = f32x4.add(h, n);
      i = f32x4.add(i, n);
      j = f32x4.add(j, n);
      k = f32x4.add(k, n);
      l = f32x4.add(l, n);
    }
  }
  let sum = a;
  sum = f32x4.add(sum, b);
  sum = f32x4.add(sum, c);
  sum = f32x4.add(sum, d);
  sum = f32x4.add(sum, e);
  sum = f32x4.add(sum, f);
  sum = f32x4.add(sum, g);
  sum = f32x4.add(sum, h);
  sum = f32x4.add(sum, i);
  sum = f32x4.add(sum, j);
  sum = f32x4.add(sum, k);
  sum = f32x4.add(sum, l);
  return f32x4.extract_lane(sum, 0);
}
