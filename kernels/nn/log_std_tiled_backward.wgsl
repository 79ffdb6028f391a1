// log_std_tiled_backward — dLogVariance[m, a] = sum over b, h of dLogStd[b, (m H + h) A + a] / 2 where low <= logVariance[m, a] <= high, else 0
// shapes  logVariance [M, A] f32; dLogStd [B, W] f32, W = M H A; dLogVariance [M, A] f32
// owns    workgroup: one element of the result
// grid    M A  workgroup [256, 1, 1]
// order   f32: each invocation adds every 256th row with its H entries in order, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/stochastic-heads.test.ts  rtol 4e-6  at 1 to 257 rows, 1 to 5 modes

struct Params { rows: u32, width: u32, actionSize: u32, perMode: u32, low: f32, high: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logVariance: array<f32>;
@group(0) @binding(2) var<storage, read> dLogStd: array<f32>;
@group(0) @binding(3) var<storage, read_write> dLogVariance: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let element = workgroup_number(group, groups);
  // The same for the whole workgroup, so the barriers of the sum are met by all of it.
  if (element >= (params.width / params.perMode) * params.actionSize) { return; }
  let first = (element / params.actionSize) * params.perMode + element % params.actionSize;
  var sum = 0.0;
  for (var b = lane; b < params.rows; b = b + 256u) {
    for (var h = 0u; h < params.perMode; h = h + params.actionSize) { sum = sum + dLogStd[b * params.width + first + h]; }
  }
  let total = workgroup_sum(lane, sum);
  if (lane == 0u) {
    let value = logVariance[element];
    dLogVariance[element] = select(0.0, 0.5 * total, value >= params.low && value <= params.high);
  }
}
