// linear_pack — packed[p][k][l] = W[8p + l, column + k]  (transposed: W[k, column + 8p + l]), 0 beyond the end
// shapes  weight [O, rowStride] f32, of which columns column .. column + I; packed [ceil(M / 8), K, 8] f32
//         (M, K) = (O, I), transposed (I, O)
// owns    invocation: one packed element; workgroup: 256 elements
// grid    ceil(8 ceil(M / 8) K / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/linear.test.ts  exact  at 1, 3, 7, 8, 9, 31, 33, 65, 257

struct Params { inFeatures: u32, outFeatures: u32, rowStride: u32, column: u32, transposed: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let is_transposed = params.transposed != 0u;
  let width = select(params.outFeatures, params.inFeatures, is_transposed);
  let depth = select(params.inFeatures, params.outFeatures, is_transposed);
  // packed.ravel()[n], n = (p * depth + k) * 8 + l
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= (width + 7u) / 8u * 8u * depth) { return; }
  let k = n / 8u % depth;
  let m = n / 8u / depth * 8u + n % 8u;
  if (m >= width) {
    packed[n] = 0.0;
    return;
  }
  let row = select(m, k, is_transposed);
  let offset = select(k, m, is_transposed);
  packed[n] = weight[row * params.rowStride + params.column + offset];
}
