// gaussian_density — logProb[b] = scale sum_w ( -(x - mean)^2 / (2 std^2) - ln std - ln(2 pi)/2 )[b, w], std = exp(logStd);
//           entropy[b] = scale sum_w ( ln(2 pi e)/2 + logStd[b, w] )
// shapes  x, mean, logStd [B, W] f32; logProb [B] f32; entropy [B] f32
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(B / 64)  workgroup [64, 1, 1]
// order   f32 over w in order
// alias   none
// limits  0 bytes, 64 invocations, 5 storage buffers
// test    test/kernels/stochastic-heads.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, scale: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> logStd: array<f32>;
@group(0) @binding(4) var<storage, read_write> logProb: array<f32>;
@group(0) @binding(5) var<storage, read_write> entropy: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = invocation_number(group, groups, lane, 64u);
  if (b >= params.rows) { return; }
  var squares = 0.0;
  var logs = 0.0;
  for (var w = b * params.width; w < (b + 1u) * params.width; w = w + 1u) {
    let z = (x[w] - mean[w]) * exp(-logStd[w]);
    squares = squares + z * z;
    logs = logs + logStd[w];
  }
  let width = f32(params.width);
  logProb[b] = params.scale * (-0.5 * squares - logs - width * 0.91893853);
  entropy[b] = params.scale * (logs + width * 1.4189385);
}
