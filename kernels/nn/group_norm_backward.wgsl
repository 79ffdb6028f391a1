// group_norm_backward — of y = f(p) scale + shift with p = n weight + bias (group_norm):
//   dx[b,l,c] = rstd (g - mean(g) - n mean(g n)), g = dy scale f'(p) weight, means over l and the channels of c's group
//   dfilm[b] = (sum_l dy f(p), sum_l dy) with modulation 2, sum_l dy with modulation 1
//   dnorm[b] = (sum_l dp n, sum_l dp), dp = dy scale f'(p); column_sum over b makes dweight and dbias of it
// shapes  dy, x, dx [B, L, C] f32; weight [C] f32, bias [C] f32, dnorm [B, 2, C] f32, left out with groups = 0, where p = x and
//         dx = dp; film, dfilm (optional) [B, modulation, C] f32
// owns    invocation: one group of one sample; workgroup: 64 of them
// grid    ceil(B max(G, 1) / 64)  workgroup [64, 1, 1]
// order   f32: over l ascending, then c; the moments as in group_norm
// alias   none
// limits  0 bytes, 64 invocations, 8 storage buffers
// test    test/kernels/group-norm.test.ts  rtol 1e-5  at 1 to 33 samples of 1 to 17 positions and 1 to 65 channels

struct Params {
  rows: u32, length: u32, channels: u32, groups: u32, activation: u32, modulation: u32, epsilon: f32, pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> film: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> dfilm: array<f32>;
@group(0) @binding(8) var<storage, read_write> dnorm: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let number = invocation_number(group, groups, lane, 64u);
  let count = max(params.groups, 1u);
  let b = number / count;
  if (b >= params.rows) { return; }
  let channels = params.channels;
  let width = channels / count;
  let first = number % count * width;
  let sample = b * params.length * channels;
  let size = f32(params.length * width);
  let has_norm = params.groups > 0u;
  var mean = 0.0;
  var rstd = 1.0;
  if (has_norm) {
    var sum = 0.0;
    for (var l = 0u; l < params.length; l++) {
      for (var c = first; c < first + width; c++) { sum += x[sample + l * channels + c]; }
    }
    mean = sum / size;
    var squares = 0.0;
    for (var l = 0u; l < params.length; l++) {
      for (var c = first; c < first + width; c++) {
        let d = x[sample + l * channels + c] - mean;
        squares += d * d;
      }
    }
    rstd = 1.0 / sqrt(squares / size + params.epsilon);
  }
  // One channel at a time: its sums over l; g waits in dx.
  var sum_g = 0.0;
  var sum_gn = 0.0;
  for (var c = first; c < first + width; c++) {
    var w = 1.0;
    var offset = 0.0;
    if (has_norm) { w = weight[c]; offset = bias[c]; }
    var scale = 1.0;
    if (params.modulation == 2u) { scale = film[2u * b * channels + c]; }
    var by_scale = 0.0;
    var by_shift = 0.0;
    var by_weight = 0.0;
    var by_bias = 0.0;
    for (var l = 0u; l < params.length; l++) {
      let at = sample + l * channels + c;
      let n = (x[at] - mean) * rstd;
      let p = n * w + offset;
      let d = dy[at];
      by_shift += d;
      if (params.modulation == 2u) { by_scale += d * activate(params.activation, p); }
      let dp = d * scale * activation_slope(params.activation, p);
      by_weight += dp * n;
      by_bias += dp;
      let g = dp * w;
      sum_g += g;
      sum_gn += g * n;
      dx[at] = g;
    }
    if (params.modulation == 2u) {
      dfilm[2u * b * channels + c] = by_scale;
      dfilm[(2u * b + 1u) * channels + c] = by_shift;
    }
    if (params.modulation == 1u) { dfilm[b * channels + c] = by_shift; }
    if (has_norm) {
      dnorm[2u * b * channels + c] = by_weight;
      dnorm[(2u * b + 1u) * channels + c] = by_bias;
    }
  }
  if (!has_norm) { return; }
  let mean_g = sum_g / size;
  let mean_gn = sum_gn / size;
  for (var l = 0u; l < params.length; l++) {
    for (var c = first; c < first + width; c++) {
      let at = sample + l * channels + c;
      dx[at] = rstd * (dx[at] - mean_g - (x[at] - mean) * rstd * mean_gn);
    }
  }
}
