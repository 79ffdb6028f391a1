// forward_noising — xt[b, c] = table[t_b, 0] x0[b, c] + table[t_b, 1] noise[b, c]
// shapes  x0 [B, X] f32; noise [B, X] f32; t [B] u32; table [K, 2] f32 = (sqrt abar_t, sqrt(1 - abar_t)); xt [B, X] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/diffusion-losses.test.ts  rtol 1e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, times: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x0: array<f32>;
@group(0) @binding(2) var<storage, read> noise: array<f32>;
@group(0) @binding(3) var<storage, read> t: array<u32>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> xt: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let time = min(t[n / params.width], params.times - 1u);
  xt[n] = table[2u * time] * x0[n] + table[2u * time + 1u] * noise[n];
}
