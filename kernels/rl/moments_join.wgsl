// moments_join — result = [m, sqrt(q / (N - 1))], m = sum_b n_b mean[b] / N, q = sum_b squares[b] + n_b (mean[b] - m)^2; deviation 0 for N = 1
// shapes  partials [2, blocks] f32 of moments, blocks = ceil(N / 1024), n_b entries in block b; result [2] f32
// owns    invocation: every 256th block; workgroup: all
// grid    1  workgroup [256, 1, 1]
// order   f32: blocks b = lane + 256 k in order of k, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/advantages.test.ts  rtol 2e-6  at 1, 3, 1025, 5000, 600000

struct Params { count: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  let blocks = (params.count + 1023u) / 1024u;
  let count = f32(params.count);
  var sum = 0.0;
  for (var b = lane; b < blocks; b += 256u) {
    sum += partials[b] * (f32(min(params.count - b * 1024u, 1024u)) / count);
  }
  let mean = workgroup_sum(lane, sum);
  var square = 0.0;
  for (var b = lane; b < blocks; b += 256u) {
    let away = partials[b] - mean;
    square += partials[blocks + b] + f32(min(params.count - b * 1024u, 1024u)) * away * away;
  }
  let squares = workgroup_sum(lane, square);
  if (lane != 0u) { return; }
  result[0] = mean;
  result[1] = select(0.0, sqrt(squares / max(count - 1.0, 1.0)), params.count > 1u);
}
