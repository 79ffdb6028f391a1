// reward_statistics — joins mean and variance of a batch of E N returns to state = [mean, variance, count, 1 / sqrt(variance + 1e-8)]
//       b = E N, m = mean_e mean[e], q = sum_e squares[e] + N sum_e (mean[e] - m)^2, d = m - mean, total = count + b
//       mean += d b / total; variance = (variance count + q + d^2 count b / total) / (total - 1); count = total
// shapes  partials [2, E] f32: mean and squares of discounted_returns; state [4] f32, read and written
// owns    invocation: every 256th environment; workgroup: all
// grid    1  workgroup [256, 1, 1]
// order   f32: environments e = lane + 256 k in order of k, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/reward-scale.test.ts  rtol 4e-6  at 1, 3, 33, 257, 600 environments

struct Params { steps: u32, envs: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var e = lane; e < params.envs; e += 256u) { sum += partials[e]; }
  let mean = workgroup_sum(lane, sum) / f32(params.envs);
  var inside = 0.0;
  for (var e = lane; e < params.envs; e += 256u) {
    let away = partials[e] - mean;
    inside += partials[params.envs + e] + f32(params.steps) * away * away;
  }
  let squares = workgroup_sum(lane, inside);
  if (lane != 0u) { return; }
  let size = f32(params.steps) * f32(params.envs);
  let count = state[2];
  let total = count + size;
  let delta = mean - state[0];
  // total - 1 is 1e-4 for a first batch of one number, which loses digits in f32 if written as (count + 1) - 1.
  let variance = (state[1] * count + squares + delta * delta * count * (size / total)) / (count + (size - 1.0));
  state[0] += delta * (size / total);
  state[1] = variance;
  state[2] = total;
  state[3] = inverseSqrt(variance + 1e-8);
}
