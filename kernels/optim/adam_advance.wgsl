// adam_advance — state = [k, 1 / (1 - beta1^k), 1 / sqrt(1 - beta2^k), gradient scale, active, skipped] of the step that follows
// shapes  norm [3] f32 of gradient_norm, optional; stop [1] u32, optional; state [6] f32, read and written
// owns    invocation: all
// grid    1  workgroup [1, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 1 invocation, 3 storage buffers
// test    test/kernels/optim.test.ts  rtol 2e-6  at steps 1, 2, 10, 1000, 100000

struct Params { logBeta1: f32, logBeta2: f32, hasNorm: u32, hasStop: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> norm: array<f32>;
@group(0) @binding(2) var<storage, read> stop: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;

// 1 - e^x for x <= 0: its series near 0, where the difference would lose what makes it up.
fn complement(x: f32) -> f32 {
  if (x < -0.5) { return 1.0 - exp(max(x, -87.0)); }
  return -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + x / 8.0)))))));
}

@compute @workgroup_size(1)
fn main() {
  // A set flag ends all steps; a gradient that is not finite skips this one, and is counted.
  let stopped = params.hasStop != 0u && stop[0] != 0u;
  let bad = params.hasNorm != 0u && norm[2] > 0.0;
  if (stopped || bad) {
    state[4] = 0.0;
    if (!stopped) { state[5] = state[5] + 1.0; }
    return;
  }
  // beta^k = e^(k ln beta)
  let k = state[0] + 1.0;
  state[0] = k;
  state[1] = 1.0 / complement(k * params.logBeta1);
  state[2] = 1.0 / sqrt(complement(k * params.logBeta2));
  var scale = 1.0;
  if (params.hasNorm != 0u) { scale = norm[1]; }
  state[3] = scale;
  state[4] = 1.0;
}
