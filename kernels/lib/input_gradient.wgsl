// input_gradient — rows of dy for lib/product, and what ends dx[b,i] = (sum_o dy[b,o] W[o,i]) f'(pre[b,i]) + addend[b,i]
//
// The kernel that includes this snippet declares params and the buffers dy, pre, addend and dx.

fn left(n: u32) -> f32 { return dy[n]; }

fn left_start(b: u32) -> u32 { return b * params.outFeatures; }

// dx[b, i + c] of the four sums.
fn finish(b: u32, i: u32, sums: vec4f) {
  for (var c = 0u; c < 4u && i + c < params.inFeatures; c++) {
    let n = b * params.inFeatures + i + c;
    var value = sums[c];
    if (params.hasPre != 0u) { value *= activation_slope(params.activation, pre[n]); }
    if (params.hasAddend != 0u) { value += addend[n]; }
    dx[n] = value;
  }
}
