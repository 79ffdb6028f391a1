// linear_packed_input — y[b,o] = sum_i x[b,i] W[o, column + i] + bias[o] + addend[b,o]; activated[b,o] = f(y[b,o])
// shapes  packed [ceil(B / 8), I, 8] f32 (linear_pack of x [B, I]); weight [O, rowStride] f32, of which columns
//         column .. column + I; bias [O] f32, addend [B, O] f32, both optional; y [B, O] f32, activated [B, O] f32, either
//         optional
// owns    invocation: 8 columns of y by 8 rows; workgroup: 32 of them
// grid    ceil(ceil(O / 8) ceil(B / 8) / 32)  workgroup [32, 1, 1]
// order   over i ascending, f32; then the bias, then the addend
// alias   none
// limits  8,704 bytes, 32 invocations, 6 storage buffers
// test    test/kernels/linear.test.ts  rtol 2e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params {
  rows: u32, inFeatures: u32, outFeatures: u32, rowStride: u32, column: u32, activation: u32,
  hasBias: u32, hasAddend: u32, writesY: u32, writesActivated: u32, pad0: u32, pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> packed: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> activated: array<f32>;

fn left(n: u32) -> f32 { return weight[n]; }

fn left_start(o: u32) -> u32 { return o * params.rowStride + params.column; }

fn panel(n: u32) -> vec4f { return packed[n]; }

fn panel_start(p: u32) -> u32 { return 2u * p * params.inFeatures; }

// y[b + c, o] and activated[b + c, o] of the four sums.
fn finish(o: u32, b: u32, sums: vec4f) {
  for (var c = 0u; c < 4u && b + c < params.rows; c++) {
    let n = (b + c) * params.outFeatures + o;
    var value = sums[c];
    if (params.hasBias != 0u) { value += bias[o]; }
    if (params.hasAddend != 0u) { value += addend[n]; }
    if (params.writesY != 0u) { y[n] = value; }
    if (params.writesActivated != 0u) { activated[n] = activate(params.activation, value); }
  }
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_block(invocation_number(group, groups, lane, 32u), params.outFeatures, params.inFeatures, params.rows);
}
