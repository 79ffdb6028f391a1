// squared_norm — partials[b] = sum of g[i]^2 and partials[blocks + b] = number of non-finite g[i], i in block b of 4096
// shapes  g [P] f32, read as its bits; partials [2, blocks] f32, blocks = ceil(P / 4096)
// owns    invocation: 16 elements, 256 apart; workgroup: one block
// grid    blocks  workgroup [256, 1, 1]
// order   f32: 16 terms in order of i in an invocation, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/optim.test.ts  rtol 2e-6  at 1, 3, 31, 257, 4095, 4097, 12300

struct Params { count: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<u32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_number(group, groups);
  let blocks = (params.count + 4095u) / 4096u;
  var sum = 0.0;
  var bad = 0.0;
  for (var k = 0u; k < 16u; k++) {
    let i = block * 4096u + k * 256u + lane;
    if (i < params.count) {
      // An exponent of all ones is NaN or an infinity: told by its bits, since a shader may not compare such a number.
      let bits = g[i];
      if ((bits & 0x7f800000u) == 0x7f800000u) {
        bad += 1.0;
      } else {
        let value = bitcast<f32>(bits);
        sum += value * value;
      }
    }
  }
  let blockSum = workgroup_sum(lane, sum);
  let blockBad = workgroup_sum(lane, bad);
  if (lane == 0u && block < blocks) {
    partials[block] = blockSum;
    partials[blocks + block] = blockBad;
  }
}
