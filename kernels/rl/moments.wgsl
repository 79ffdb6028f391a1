// moments — partials[b] = mean_i z[i], partials[blocks + b] = sum_i (z[i] - mean)^2, z = x - base, i in block b of 1024
// shapes  x [N] f32; base [N] f32, optional; partials [2, blocks] f32, blocks = ceil(N / 1024)
// owns    invocation: 4 elements, 256 apart; workgroup: one block
// grid    blocks  workgroup [256, 1, 1]
// order   f32: 4 terms in order of i in an invocation, then the tree of lib/reduce; the mean first, then the squares
// alias   none
// limits  1024 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/advantages.test.ts  rtol 2e-6  at 1, 3, 31, 257, 1025, 5000

struct Params { count: u32, hasBase: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> base: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

fn entry(i: u32) -> f32 {
  if (params.hasBase != 0u) { return x[i] - base[i]; }
  return x[i];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_number(group, groups);
  let blocks = (params.count + 1023u) / 1024u;
  let start = block * 1024u;
  let end = min(start + 1024u, params.count);
  var sum = 0.0;
  for (var i = start + lane; i < end; i += 256u) { sum += entry(i); }
  let mean = workgroup_sum(lane, sum) / f32(max(end, start + 1u) - start);
  var square = 0.0;
  for (var i = start + lane; i < end; i += 256u) {
    let away = entry(i) - mean;
    square += away * away;
  }
  let squares = workgroup_sum(lane, square);
  if (lane == 0u && block < blocks) {
    partials[block] = mean;
    partials[blocks + block] = squares;
  }
}
