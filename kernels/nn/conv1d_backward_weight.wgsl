// conv1d_backward_weight — dW[s, column + c, t] = sum_(b, o) short[b,o,s] long[b, o stride + t - padding, c], positions inside only;
//                          db[s] = sum_(b, o) short[b,o,s]
// shapes  short [B, O, S] f32; long [B, L, C] f32; dWeight [S, weightChannels, K] f32, of which channels column .. column + C are
//         written; dBias [S] f32, optional; scratch: working memory of the WASM twin, not touched here
// owns    invocation: one tap of 4 by 4 channels of dW, then one element of db; workgroup: 64 of them
// grid    ceil((K ceil(S / 4) ceil(C / 4) + S) / 64)  workgroup [64, 1, 1]
// order   over (b, o) ascending in blocks of R = blockRows samples, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// limits  0 bytes, 64 invocations, 5 storage buffers
// test    test/kernels/conv1d.test.ts  rtol 2e-6  at 1, 3, 7, 8, 9, 17, 33 channels

struct Params {
  rows: u32, shortLength: u32, shortChannels: u32, longLength: u32, longChannels: u32, weightChannels: u32, column: u32,
  kernel: u32, stride: u32, padding: u32, blockRows: u32, hasBias: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> short: array<f32>;
@group(0) @binding(2) var<storage, read> long: array<f32>;
@group(0) @binding(3) var<storage, read_write> dWeight: array<f32>;
@group(0) @binding(4) var<storage, read_write> dBias: array<f32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<f32>;

// short[b, o, s .. s + 3]; channels beyond the end repeat the last one and are not written.
fn short_row(b: u32, o: u32, s: u32) -> vec4f {
  let first = (b * params.shortLength + o) * params.shortChannels;
  let last = params.shortChannels - 1u;
  return vec4f(short[first + s], short[first + min(s + 1u, last)], short[first + min(s + 2u, last)], short[first + min(s + 3u, last)]);
}

// long[b, j, c .. c + 3], likewise.
fn long_row(b: u32, j: u32, c: u32) -> vec4f {
  let first = (b * params.longLength + j) * params.longChannels;
  let last = params.longChannels - 1u;
  return vec4f(long[first + c], long[first + min(c + 1u, last)], long[first + min(c + 2u, last)], long[first + min(c + 3u, last)]);
}

// dW[s, column + c + l, t] of the four sums.
fn put(s: u32, c: u32, t: u32, sums: vec4f) {
  if (s >= params.shortChannels) { return; }
  let first = s * params.weightChannels + params.column + c;
  for (var l = 0u; l < 4u && c + l < params.longChannels; l++) { dWeight[(first + l) * params.kernel + t] = sums[l]; }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // n = ((s / 4) K + t) ceil(C / 4) + c / 4 for the weight, then s for the bias
  let n = invocation_number(group, groups, lane, 64u);
  let quads = (params.longChannels + 3u) / 4u;
  let count = (params.shortChannels + 3u) / 4u * params.kernel * quads;
  if (n < count) {
    let s = n / quads / params.kernel * 4u;
    let t = n / quads % params.kernel;
    let c = n % quads * 4u;
    var total0 = vec4f();
    var total1 = vec4f();
    var total2 = vec4f();
    var total3 = vec4f();
    for (var first = 0u; first < params.rows; first += params.blockRows) {
      let end = min(first + params.blockRows, params.rows);
      var s0 = vec4f();
      var s1 = vec4f();
      var s2 = vec4f();
      var s3 = vec4f();
      for (var b = first; b < end; b++) {
        for (var o = 0u; o < params.shortLength; o++) {
          // Position of long plus the padding, so that it is never below 0.
          let j = o * params.stride + t;
          if (j < params.padding || j >= params.longLength + params.padding) { continue; }
          let slopes = short_row(b, o, s);
          let values = long_row(b, j - params.padding, c);
          s0 += slopes.x * values;
          s1 += slopes.y * values;
          s2 += slopes.z * values;
          s3 += slopes.w * values;
        }
      }
      total0 += s0;
      total1 += s1;
      total2 += s2;
      total3 += s3;
    }
    put(s, c, t, total0);
    put(s + 1u, c, t, total1);
    put(s + 2u, c, t, total2);
    put(s + 3u, c, t, total3);
  } else if (n < count + params.shortChannels && params.hasBias != 0u) {
    let s = n - count;
    var total = 0.0;
    for (var first = 0u; first < params.rows; first += params.blockRows) {
      let end = min(first + params.blockRows, params.rows) * params.shortLength;
      var sum = 0.0;
      for (var r = first * params.shortLength; r < end; r++) { sum += short[r * params.shortChannels + s]; }
      total += sum;
    }
    dBias[s] = total;
  }
}
