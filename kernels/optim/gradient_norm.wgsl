// gradient_norm — norm = [n, min(1, maxNorm / (n + 1e-6)), bad], n = sqrt(sum_b partials[b]), bad = sum_b partials[blocks + b]
// shapes  partials [2, blocks] f32; norm [3] f32
// owns    invocation: every 256th block; workgroup: all
// grid    1  workgroup [256, 1, 1]
// order   f32: blocks b = lane + 256 k in order of k, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/optim.test.ts  rtol 2e-6  at 1, 3, 257, 600 blocks

struct Params { blocks: u32, maxNorm: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  var bad = 0.0;
  for (var b = lane; b < params.blocks; b += 256u) {
    sum += partials[b];
    bad += partials[params.blocks + b];
  }
  let squares = workgroup_sum(lane, sum);
  var total = workgroup_sum(lane, bad);
  if (lane != 0u) { return; }
  // A sum of squares beyond f32 counts as one more non-finite entry, and its norm is reported as the largest f32.
  let overflows = (bitcast<u32>(squares) & 0x7f800000u) == 0x7f800000u;
  if (overflows) { total += 1.0; }
  let length = select(sqrt(squares), 3.4028234663852886e38, overflows);
  let bound = length + 1e-6;
  var scale = 1.0;
  if (bound > params.maxNorm) { scale = params.maxNorm / bound; }
  norm[0] = length;
  norm[1] = select(scale, 0.0, total > 0.0);
  norm[2] = total;
}
