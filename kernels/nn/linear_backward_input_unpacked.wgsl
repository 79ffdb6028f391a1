// linear_backward_input_unpacked — dx[b,i] = (sum_o dy[b,o] W[o, column + i]) f'(pre[b,i]) + addend[b,i]
// shapes  dy [B, O] f32; weight [O, rowStride] f32, of which columns column .. column + I; pre [B, I] f32, addend [B, I] f32,
//         both optional; dx [B, I] f32; scratch: working memory of the WASM twin, not touched here
// owns    invocation: 8 rows by 8 columns; workgroup: 32 of them
// grid    ceil(ceil(B / 8) ceil(I / 8) / 32)  workgroup [32, 1, 1]
// order   over o ascending, f32
// alias   none
// limits  8,704 bytes, 32 invocations, 6 storage buffers
// test    test/kernels/linear.test.ts  rtol 2e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params { rows: u32, inFeatures: u32, outFeatures: u32, rowStride: u32, column: u32, activation: u32, hasPre: u32, hasAddend: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> pre: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> scratch: array<f32>;

// W[o, column + 4 q .. 4 q + 3], 0 beyond the end, of vector n = 2 (p O + o) + h, where q = 2 p + h.
fn panel(n: u32) -> vec4f {
  let first = 4u * (n / 2u / params.outFeatures * 2u + n % 2u);
  let start = n / 2u % params.outFeatures * params.rowStride + params.column + first;
  var weights = vec4f();
  for (var c = 0u; c < 4u && first + c < params.inFeatures; c++) { weights[c] = weight[start + c]; }
  return weights;
}

fn panel_start(p: u32) -> u32 { return 2u * p * params.outFeatures; }

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_block(invocation_number(group, groups, lane, 32u), params.rows, params.outFeatures, params.inFeatures);
}
