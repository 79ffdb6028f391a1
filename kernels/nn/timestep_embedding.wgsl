// timestep_embedding — out[b, j] = sin(t[b] w_j), out[b, h + j] = cos(t[b] w_j), w_j = 10000^(-j / (h - 1)), h = D / 2
// shapes  t [B] u32; frequencies [h] u32 = round(2^32 w_j / 2 pi); out [B, D] f32
// owns    invocation: one pair (b, j); workgroup: 256 pairs
// grid    ceil(B h / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/timestep-embedding.test.ts  atol 2e-6  at t up to 1000, D 4 to 66

// t w_j is counted in turns of 2^32: the product of two u32 drops whole turns exactly, so a large t costs no accuracy.

struct Params { rows: u32, dim: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> t: array<u32>;
@group(0) @binding(2) var<storage, read> frequencies: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  let h = params.dim / 2u;
  if (n >= params.rows * h) { return; }
  let b = n / h;
  let j = n % h;
  // Signed: turns in [-1/2, 1/2), where floats are finest around 0.
  let turns = f32(bitcast<i32>(t[b] * frequencies[j])) * 2.3283064365386963e-10;
  let both = sine_cosine_turns(turns);
  out[b * params.dim + j] = both.x;
  out[b * params.dim + h + j] = both.y;
}
