// random_permutation — out = a permutation of 0 .. N - 1: out[n] = F(F(.. F(n))) until below N, F a keyed bijection of 0 .. 4^h - 1
// shapes  out [N] u32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(N / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 1 storage buffers
// test    test/kernels/random.test.ts  equal bits with test/reference/random.ts; chi-square of positions and of whole permutations

// F: balanced Feistel network of 8 rounds on two halves of h bits, (L, R) -> (R, L ^ (mix(R ^ key_i) mod 2^h)). The 8 round
// keys are Philox blocks [0 .. 1, stream, step, 1] under key [seed0, seed1]; mix is a bijective 32-bit mixer (two
// multiplications, three shifts). h is the least with 4^h >= N, at least 4: smaller halves have too few round functions.
// F is a bijection whatever mix does, so walking the cycle from n returns below N, and to each place once.

struct Params { length: u32, seed0: u32, seed1: u32, stream: u32, step: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

fn mix(word: u32) -> u32 {
  var x = word;
  x = (x ^ (x >> 16u)) * 0x85ebca6bu;
  x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
  return x ^ (x >> 16u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.length) { return; }
  let seed = vec2<u32>(params.seed0, params.seed1);
  let first = philox(vec4<u32>(0u, params.stream, params.step, 1u), seed);
  let second = philox(vec4<u32>(1u, params.stream, params.step, 1u), seed);
  let half_bits = max(4u, (33u - countLeadingZeros(params.length - 1u)) / 2u);
  let mask = (1u << half_bits) - 1u;
  var value = n;
  loop {
    var left = value >> half_bits;
    var right = value & mask;
    for (var i = 0u; i < 8u; i = i + 1u) {
      let key = select(second[i & 3u], first[i & 3u], i < 4u);
      let next = left ^ (mix(right ^ key) & mask);
      left = right;
      right = next;
    }
    value = (left << half_bits) | right;
    if (value < params.length) { break; }
  }
  out[n] = value;
}
