// log_std_backward — dSource[b, w] = dLogStd[b, w] slope; kind 2: slope = (high - low)(1 - tanh(source)^2) / 4;
//           kind 3: slope = 1/2 where low <= source <= high, else 0
// shapes  source [B, W] f32; dLogStd [B, W] f32; dSource [B, W] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B W / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/stochastic-heads.test.ts  atol 2e-6 (tanh 1e-5)  at 1 to 257 rows

struct Params { rows: u32, width: u32, kind: u32, low: f32, high: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> dLogStd: array<f32>;
@group(0) @binding(3) var<storage, read_write> dSource: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let value = source[n];
  var slope = select(0.0, 0.5, value >= params.low && value <= params.high);
  if (params.kind == 2u) {
    let t = stable_tanh(value);
    slope = 0.25 * (params.high - params.low) * (1.0 - t * t);
  }
  dSource[n] = dLogStd[n] * slope;
}
