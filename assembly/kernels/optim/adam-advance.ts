// adam_advance — state = [k, 1 / (1 - beta1^k), 1 / sqrt(1 - beta2^k), gradient scale, active, skipped] of the step that follows
// shapes  norm [3] f32 of gradient_norm, optional; stop [1] u32, optional; state [6] f32, read and written
// owns    unit: all
// split   one unit
// order   no sums
// alias   none
// test    test/kernels/optim.test.ts  rtol 2e-6  at steps 1, 2, 10, 1000, 100000

/** args: logBeta1, logBeta2, hasNorm, hasStop; norm, stop, state */
export function adamAdvance(args: usize, from: u32, to: u32): void {
  const logBeta1 = <f64>load<f32>(args);
  const logBeta2 = <f64>load<f32>(args, 4);
  const hasNorm = load<u32>(args, 8) != 0;
  const hasStop = load<u32>(args, 12) != 0;
  const norm = <usize>load<u32>(args, 16);
  const stop = <usize>load<u32>(args, 20);
  const state = <usize>load<u32>(args, 24);
  // A set flag ends all steps; a gradient that is not finite skips this one, and is counted.
  const stopped = hasStop && load<u32>(stop) != 0;
  const bad = hasNorm && load<f32>(norm, 8) > 0;
  if (stopped || bad) {
    store<f32>(state, 0, 16);
    if (!stopped) store<f32>(state, load<f32>(state, 20) + 1, 20);
    return;
  }
  // beta^k = e^(k ln beta)
  const k = load<f32>(state) + 1;
  store<f32>(state, k);
  store<f32>(state, <f32>(-1.0 / Math.expm1(<f64>k * logBeta1)), 4);
  store<f32>(state, <f32>(1.0 / sqrt(-Math.expm1(<f64>k * logBeta2))), 8);
  store<f32>(state, hasNorm ? load<f32>(norm, 4) : 1, 12);
  store<f32>(state, 1, 16);
}
