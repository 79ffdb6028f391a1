// advantage_weight — weights[i] = min(exp(beta (x[i] - base[i] - mean) / (deviation + epsilon)), largest), (mean, deviation) = statistics; without base it is 0
// shapes  x, base (optional), weights [N] f32; statistics [2] f32 of moments
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(N / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 4 storage buffers
// test    test/kernels/advantage-weight.test.ts  rtol 5e-6  at 1, 3, 31, 33, 257, 1025, 2500

struct Params { count: u32, hasBase: u32, beta: f32, epsilon: f32, largest: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> base: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = invocation_number(group, groups, lane, 256u);
  if (i >= params.count) { return; }
  var advantage = x[i];
  if (params.hasBase != 0u) { advantage -= base[i]; }
  let exponent = params.beta * (advantage - statistics[0]) / (statistics[1] + params.epsilon);
  // e^88 is within f32; whatever is above is cut by the largest weight, or was meant to have none.
  weights[i] = min(exp(clamp(exponent, -87.0, 88.0)), params.largest);
}
