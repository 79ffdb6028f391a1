/**
 * The most that WASM SIMD does on this processor: what the shares of the benchmark are shares of. Not part of the package.
 */

/** `count` rounds of eight independent multiply-adds on four lanes: 64 flops a round. The result keeps them alive. */
export function multiplyAdd(count: u32): f32 {
  let a = f32x4.splat(1);
  let b = f32x4.splat(2);
  let c = f32x4.splat(3);
  let d = f32x4.splat(4);
  let e = f32x4.splat(5);
  let f = f32x4.splat(6);
  let g = f32x4.splat(7);
  let h = f32x4.splat(8);
  const m = f32x4.splat(0.999);
  const n = f32x4.splat(0.001);
  for (let i: u32 = 0; i < count; i++) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      a = f32x4.relaxed_madd(a, m, n);
      b = f32x4.relaxed_madd(b, m, n);
      c = f32x4.relaxed_madd(c, m, n);
      d = f32x4.relaxed_madd(d, m, n);
      e = f32x4.relaxed_madd(e, m, n);
      f = f32x4.relaxed_madd(f, m, n);
      g = f32x4.relaxed_madd(g, m, n);
      h = f32x4.relaxed_madd(h, m, n);
    } else {
      a = f32x4.add(f32x4.mul(a, m), n);
      b = f32x4.add(f32x4.mul(b, m), n);
      c = f32x4.add(f32x4.mul(c, m), n);
      d = f32x4.add(f32x4.mul(d, m), n);
      e = f32x4.add(f32x4.mul(e, m), n);
      f = f32x4.add(f32x4.mul(f, m), n);
      g = f32x4.add(f32x4.mul(g, m), n);
      h = f32x4.add(f32x4.mul(h, m), n);
    }
  }
  const sum = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h)));
  return f32x4.extract_lane(sum, 0);
}
