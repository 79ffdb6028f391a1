// random_index — out[n] = floor(w count / 2^32), w = word n % 4 of Philox block [n / 4, stream, step, 0] under key [seed0, seed1]
// shapes  out [N] u32, in 0 .. count - 1 (bias below count / 2^32)
// owns    invocation: one block of 4 elements; workgroup: 1024 elements
// grid    ceil(N / 1024)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 1 storage buffers
// test    test/kernels/random.test.ts  equal bits with src/core/philox.ts  at 1, 3, 4, 5, 31, 65, 257, 1025, 5000

struct Params { length: u32, count: u32, seed0: u32, seed1: u32, stream: u32, step: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let quad = invocation_number(group, groups, lane, 256u);
  let n = 4u * quad;
  if (n >= params.length) { return; }
  let words = philox(vec4<u32>(quad, params.stream, params.step, 0u), vec2<u32>(params.seed0, params.seed1));
  let stored = min(4u, params.length - n);
  for (var k = 0u; k < stored; k = k + 1u) { out[n + k] = multiply_high(words[k], params.count); }
}
