// gradient_norm — norm = [n, min(1, maxNorm / (n + 1e-6)), bad], n = sqrt(sum_b partials[b]), bad = sum_b partials[blocks + b]
// shapes  partials [2, blocks] f32; norm [3] f32
// owns    unit: all
// split   one unit
// order   f64, in order of b
// alias   none
// test    test/kernels/optim.test.ts  rtol 2e-6  at 1, 3, 257, 600 blocks

/** args: blocks, maxNorm; partials, norm */
export function gradientNorm(args: usize, from: u32, to: u32): void {
  const blocks = load<u32>(args);
  const maxNorm = <f64>load<f32>(args, 4);
  const partials = <usize>load<u32>(args, 8);
  const norm = <usize>load<u32>(args, 12);
  let squares: f64 = 0;
  let bad: f64 = 0;
  for (let b: u32 = 0; b < blocks; b++) {
    squares += <f64>load<f32>(partials + (<usize>b << 2));
    bad += <f64>load<f32>(partials + (<usize>(blocks + b) << 2));
  }
  // A sum of squares beyond f32 counts as one more non-finite entry, and its norm is reported as the largest f32.
  const overflows = !(squares <= <f64>f32.MAX_VALUE);
  if (overflows) bad += 1;
  const length = overflows ? <f64>f32.MAX_VALUE : sqrt(squares);
  const bound = length + 1e-6;
  const scale = bound > maxNorm ? maxNorm / bound : 1.0;
  store<f32>(norm, <f32>length);
  store<f32>(norm, bad > 0 ? 0 : <f32>scale, 4);
  store<f32>(norm, <f32>bad, 8);
}
