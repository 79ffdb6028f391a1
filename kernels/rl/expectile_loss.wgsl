// expectile_loss — loss[i] = w e^2, dvalues[i] = -2 scale w e, e = min(first[i], second[i]) - values[i], w = expectile where e > 0, else 1 - expectile; partials[b] = sum of loss in block b of 1024
//         without second e = first[i] - values[i]
// shapes  values, first, second (optional), dvalues [N] f32; partials [blocks] f32, blocks = ceil(N / 1024)
// owns    invocation: 4 elements, 256 apart; workgroup: one block
// grid    blocks  workgroup [256, 1, 1]
// order   f32: 4 terms in order of i in an invocation, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/q-learning.test.ts  rtol 2e-6  at 1, 3, 31, 33, 257, 1025, 2500

struct Params { count: u32, hasSecond: u32, expectile: f32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> first: array<f32>;
@group(0) @binding(3) var<storage, read> second: array<f32>;
@group(0) @binding(4) var<storage, read_write> dvalues: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_number(group, groups);
  let end = min(block * 1024u + 1024u, params.count);
  var sum = 0.0;
  for (var i = block * 1024u + lane; i < end; i += 256u) {
    var wanted = first[i];
    if (params.hasSecond != 0u) { wanted = min(wanted, second[i]); }
    let error = wanted - values[i];
    let weighted = select(1.0 - params.expectile, params.expectile, error > 0.0) * error;
    sum += weighted * error;
    dvalues[i] = -2.0 * params.scale * weighted;
  }
  let total = workgroup_sum(lane, sum);
  if (lane == 0u && block * 1024u < params.count) { partials[block] = total; }
}
