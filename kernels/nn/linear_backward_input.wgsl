// linear_backward_input — dx[b,i] = (sum_o dy[b,o] W[o,i]) f'(pre[b,i]) + addend[b,i]
// shapes  dy [B, O] f32; packed [ceil(I / 8), O, 8] f32 (linear_pack, transposed); pre [B, I] f32, addend [B, I] f32,
//         both optional; dx [B, I] f32
// owns    invocation: 8 rows by 8 columns (main_quad: 1 by 4); workgroup: 32 of them (main_quad 256; main_tiled: 64 rows by
//         64 columns)
// grid    ceil(ceil(B / 8) ceil(I / 8) / 32)  workgroup [32, 1, 1];  main_quad ceil(B ceil(I / 4) / 256), [256, 1, 1];
//         main_tiled [ceil(I / 64), ceil(B / 64)], [256, 1, 1]
// order   over o ascending, f32
// alias   none
// limits  8,704 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/linear.test.ts  rtol 2e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params { rows: u32, inFeatures: u32, outFeatures: u32, activation: u32, hasPre: u32, hasAddend: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>;
@group(0) @binding(3) var<storage, read> pre: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

fn panel(n: u32) -> vec4f { return packed[n]; }

fn panel_start(p: u32) -> u32 { return 2u * p * params.outFeatures; }

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_block(invocation_number(group, groups, lane, 32u), params.rows, params.outFeatures, params.inFeatures);
}

@compute @workgroup_size(256)
fn main_quad(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_quad(invocation_number(group, groups, lane, 256u), params.rows, params.outFeatures, params.inFeatures);
}

@compute @workgroup_size(256)
fn main_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_tiled(group.y, group.x, lane, params.rows, params.outFeatures, params.inFeatures);
}
