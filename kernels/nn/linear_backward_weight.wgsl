// linear_backward_weight — dW[o, column + i] = sum_b dy[b,o] x[b,i]; db[o] = sum_b dy[b,o]
// shapes  dy [B, O] f32; x [B, I] f32; dWeight [O, rowStride] f32, of which columns column .. column + I are written;
//         dBias [O] f32, optional; scratch: memory of the WASM twin, not touched here
// owns    invocation: one element of dW, then one of db; workgroup: 256 elements
// grid    ceil((O I + O) / 256)  workgroup [256, 1, 1]
// order   over b ascending in blocks of 128, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/linear.test.ts  rtol 2e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params { rows: u32, inFeatures: u32, outFeatures: u32, rowStride: u32, column: u32, hasBias: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dWeight: array<f32>;
@group(0) @binding(4) var<storage, read_write> dBias: array<f32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<f32>;

const block_rows = 128u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // n = o I + i for the weight; O I + o for the bias
  let n = invocation_number(group, groups, lane, 256u);
  let count = params.outFeatures * params.inFeatures;
  if (n < count) {
    let o = n / params.inFeatures;
    let i = n % params.inFeatures;
    var total = 0.0;
    for (var first = 0u; first < params.rows; first += block_rows) {
      let end = min(first + block_rows, params.rows);
      var sum = 0.0;
      for (var b = first; b < end; b++) {
        sum += dy[b * params.outFeatures + o] * x[b * params.inFeatures + i];
      }
      total += sum;
    }
    dWeight[o * params.rowStride + params.column + i] = total;
  } else if (n < count + params.outFeatures && params.hasBias != 0u) {
    let o = n - count;
    var total = 0.0;
    for (var first = 0u; first < params.rows; first += block_rows) {
      let end = min(first + block_rows, params.rows);
      var sum = 0.0;
      for (var b = first; b < end; b++) { sum += dy[b * params.outFeatures + o]; }
      total += sum;
    }
    dBias[o] = total;
  }
}
