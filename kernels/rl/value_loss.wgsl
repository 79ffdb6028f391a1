// value_loss — loss[i] = w[i]/2 max(e^2, c^2), dvalues[i] = w[i] e scale, e = V - R, c = V_old + clamp(V - V_old, -clip, clip) - R; partials[b] = sum of loss in block b of 1024
//         dvalues[i] = 0 where |V - V_old| > clip and c^2 >= e^2; without V_old c = e, without w w = 1
// shapes  values, returns, oldValues (optional), weights w (optional), dvalues [N] f32; partials [blocks] f32, blocks = ceil(N / 1024)
// owns    invocation: 4 elements, 256 apart; workgroup: one block
// grid    blocks  workgroup [256, 1, 1]
// order   f32: 4 terms in order of i in an invocation, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/value-loss.test.ts  rtol 2e-6  at 1, 3, 31, 257, 1025, 2500

struct Params { count: u32, hasOld: u32, hasWeights: u32, clip: f32, scale: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> returns: array<f32>;
@group(0) @binding(3) var<storage, read> oldValues: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> dvalues: array<f32>;
@group(0) @binding(6) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_number(group, groups);
  let end = min(block * 1024u + 1024u, params.count);
  var sum = 0.0;
  for (var i = block * 1024u + lane; i < end; i += 256u) {
    let error = values[i] - returns[i];
    var square = error * error;
    var slope = error;
    if (params.hasOld != 0u) {
      let change = values[i] - oldValues[i];
      let clipped = oldValues[i] + clamp(change, -params.clip, params.clip) - returns[i];
      if (abs(change) > params.clip && clipped * clipped >= square) {
        square = clipped * clipped;
        slope = 0.0;
      }
    }
    if (params.hasWeights != 0u) {
      square *= weights[i];
      slope *= weights[i];
    }
    sum += 0.5 * square;
    dvalues[i] = slope * params.scale;
  }
  let total = workgroup_sum(lane, sum);
  if (lane == 0u && block * 1024u < params.count) { partials[block] = total; }
}
