// mean_squared_loss — partials[k] = scale sum of w_b (prediction[b, c] - wanted[b, c])^2, b in block k of 64; dprediction = 2 scale w_b (prediction - wanted)
// shapes  prediction [B, X] f32; wanted [B, X] f32; weight [B] f32, optional; dprediction [B, X] f32, optional; partials [ceil(B / 64)] f32
// owns    invocation: every 256th element of a block; workgroup: one block of 64 rows
// grid    ceil(B / 64)  workgroup [256, 1, 1]
// order   f32: elements 256 apart in order, then the tree of lib/reduce; column_sum adds the blocks in order
// alias   none
// limits  1024 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/diffusion-losses.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, scale: f32, hasWeight: u32, hasGradient: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> wanted: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> dprediction: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let k = workgroup_number(group, groups);
  // The same for the whole workgroup, so the barriers of the sum are met by all of it.
  if (64u * k >= params.rows) { return; }
  let end = min(64u * k + 64u, params.rows) * params.width;
  var sum = 0.0;
  for (var n = 64u * k * params.width + lane; n < end; n = n + 256u) {
    var factor = params.scale;
    if (params.hasWeight != 0u) { factor = factor * weight[n / params.width]; }
    let difference = prediction[n] - wanted[n];
    sum = sum + factor * difference * difference;
    if (params.hasGradient != 0u) { dprediction[n] = 2.0 * factor * difference; }
  }
  let total = workgroup_sum(lane, sum);
  if (lane == 0u) { partials[k] = total; }
}
