// cloning_loss — partials[b] = -sum_i clamp(logp[i], low, high), i in block b of 1024; dlogp[i] = -scale where low <= logp[i] <= high, else 0
// shapes  logp, dlogp [N] f32; partials [blocks] f32, blocks = ceil(N / 1024)
// owns    invocation: 4 elements, 256 apart; workgroup: one block
// grid    blocks  workgroup [256, 1, 1]
// order   f32: 4 terms in order of i in an invocation, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/ppo-loss.test.ts  rtol 2e-6  at 1, 3, 31, 257, 1025, 2500

struct Params { count: u32, low: f32, high: f32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logp: array<f32>;
@group(0) @binding(2) var<storage, read_write> dlogp: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_number(group, groups);
  let end = min(block * 1024u + 1024u, params.count);
  var sum = 0.0;
  for (var i = block * 1024u + lane; i < end; i += 256u) {
    let value = logp[i];
    sum -= clamp(value, params.low, params.high);
    dlogp[i] = select(0.0, -params.scale, value >= params.low && value <= params.high);
  }
  let total = workgroup_sum(lane, sum);
  if (lane == 0u && block * 1024u < params.count) { partials[block] = total; }
}
