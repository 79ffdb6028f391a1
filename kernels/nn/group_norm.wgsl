// group_norm — y[b,l,c] = f(n[b,l,c] weight[c] + bias[c]) scale[b,c] + shift[b,c] + addend[b,l,c],
//              n[b,l,c] = (x[b,l,c] - mean) / sqrt(mean of (x - mean)^2 + epsilon), means over l and the channels of c's group
// shapes  x [B, L, C] f32; weight [C] f32, bias [C] f32, left out with groups = 0, where f is applied to x; film (optional)
//         [B, C] f32 = shift with modulation 1, [B, 2, C] f32 = (scale, shift) with modulation 2; addend (optional), y [B, L, C] f32
// owns    invocation: one group of one sample; workgroup: 64 of them
// grid    ceil(B max(G, 1) / 64)  workgroup [64, 1, 1]
// order   f32: over (l, c) ascending; the variance after the mean
// alias   none
// limits  0 bytes, 64 invocations, 6 storage buffers
// test    test/kernels/group-norm.test.ts  rtol 4e-6  at 1 to 33 samples of 1 to 17 positions and 1 to 65 channels

struct Params {
  rows: u32, length: u32, channels: u32, groups: u32, activation: u32, modulation: u32, hasAddend: u32, epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> film: array<f32>;
@group(0) @binding(5) var<storage, read> addend: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 64u);
  let count = max(params.groups, 1u);
  let b = n / count;
  if (b >= params.rows) { return; }
  let channels = params.channels;
  let width = channels / count;
  let first = n % count * width;
  let sample = b * params.length * channels;
  var mean = 0.0;
  var rstd = 1.0;
  if (params.groups > 0u) {
    let size = f32(params.length * width);
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
  for (var l = 0u; l < params.length; l++) {
    for (var c = first; c < first + width; c++) {
      let at = sample + l * channels + c;
      var value = x[at];
      if (params.groups > 0u) { value = (value - mean) * rstd * weight[c] + bias[c]; }
      value = activate(params.activation, value);
      if (params.modulation == 2u) { value = value * film[2u * b * channels + c] + film[(2u * b + 1u) * channels + c]; }
      if (params.modulation == 1u) { value += film[b * channels + c]; }
      if (params.hasAddend != 0u) { value += addend[at]; }
      y[at] = value;
    }
  }
}
