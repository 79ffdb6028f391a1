// gaussian_kl — kl[b] = sum_c (mean - reference)[b, c]^2 / (2 std_b^2), std_b = max(schedule[step[b], 5], stdFloor);
//           dMean[b, c] = weight (mean - reference)[b, c] / std_b^2
// shapes  mean, reference, dMean [B, C] f32; step [B] u32; schedule [n, 8] f32; kl [B] f32
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(B / 64)  workgroup [64, 1, 1]
// order   f32 over c in order
// alias   none
// limits  0 bytes, 64 invocations, 6 storage buffers
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, steps: u32, stdFloor: f32, weight: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> reference: array<f32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read> schedule: array<f32>;
@group(0) @binding(5) var<storage, read_write> kl: array<f32>;
@group(0) @binding(6) var<storage, read_write> dMean: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = invocation_number(group, groups, lane, 64u);
  if (b >= params.rows) { return; }
  let deviation = max(schedule[min(step[b], params.steps - 1u) * 8u + 5u], params.stdFloor);
  let inverse_variance = 1.0 / (deviation * deviation);
  var sum = 0.0;
  for (var n = b * params.width; n < (b + 1u) * params.width; n = n + 1u) {
    let difference = mean[n] - reference[n];
    sum = sum + difference * difference;
    dMean[n] = params.weight * difference * inverse_variance;
  }
  kl[b] = 0.5 * sum * inverse_variance;
}
