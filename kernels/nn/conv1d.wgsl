// conv1d — y[b,o,m] = sum_(j < count_o, c) x[b, first_o + j, c] W[m, c, tap_o + j] + bias[m] + addend[b,o,m]
// shapes  x [B, L, C] f32; packed [ceil(M / 8), T C, 8] f32 (conv1d_pack); windows [O, 3] u32 = (first_o, count_o, tap_o);
//         bias [M] f32, addend [B, O, M] f32, both optional; y [B, O, M] f32
// owns    invocation: 8 samples by 8 features of one position (main_quad: 1 by 4); workgroup: 32 of them (main_quad 256;
//         main_tiled: 64 samples by 64 features)
// grid    [ceil(ceil(B / 8) ceil(M / 8) / 32), 1, O]  workgroup [32, 1, 1];  main_quad [ceil(B ceil(M / 4) / 256), 1, O],
//         [256, 1, 1];  main_tiled [ceil(M / 64), ceil(B / 64), O], [256, 1, 1]
// order   over (j, c) ascending, f32; then the bias, then the addend
// alias   none
// limits  8,704 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/conv1d.test.ts  rtol 2e-6  at 1, 3, 7, 8, 9, 17, 33 channels

// The taps of one position are neighbours in memory, in x as in the packed weight: each position is a product of rows x[b, first_o ..]
// with a part of every panel, and what would fall on padding is not there.

struct Params {
  rows: u32, inLength: u32, inChannels: u32, outLength: u32, outChannels: u32, taps: u32, hasBias: u32, hasAddend: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>;
@group(0) @binding(3) var<storage, read> windows: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> addend: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

// The position of this workgroup, and its window.
var<private> position: u32;
var<private> first: u32;
var<private> tap: u32;

// Sets them for position o; the depth of its product.
fn enter(o: u32) -> u32 {
  position = o;
  first = windows[3u * o];
  tap = windows[3u * o + 2u];
  return windows[3u * o + 1u] * params.inChannels;
}

fn left(n: u32) -> f32 { return x[n]; }

fn left_start(b: u32) -> u32 { return (b * params.inLength + first) * params.inChannels; }

fn panel(n: u32) -> vec4f { return packed[n]; }

fn panel_start(p: u32) -> u32 { return 2u * (p * params.taps + tap) * params.inChannels; }

// y[b, position, m + l] of the four sums.
fn finish(b: u32, m: u32, sums: vec4f) {
  let row = (b * params.outLength + position) * params.outChannels;
  for (var l = 0u; l < 4u && m + l < params.outChannels; l++) {
    var value = sums[l];
    if (params.hasBias != 0u) { value += bias[m + l]; }
    if (params.hasAddend != 0u) { value += addend[row + m + l]; }
    y[row + m + l] = value;
  }
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_block(group.x * 32u + lane, params.rows, enter(group.z), params.outChannels);
}

@compute @workgroup_size(256)
fn main_quad(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_quad(group.x * 256u + lane, params.rows, enter(group.z), params.outChannels);
}

@compute @workgroup_size(256)
fn main_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  product_tiled(group.y, group.x, lane, params.rows, enter(group.z), params.outChannels);
}
