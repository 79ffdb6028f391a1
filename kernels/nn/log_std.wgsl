// log_std — logStd[b, w] of a head: kind 0: constant; 1: clamp(source[m A + a], low, high) / 2, tiled over rows and horizon;
//           2: (low + (high - low)(tanh(source[b, w]) + 1) / 2) / 2; 3: clamp(source[b, w], low, high) / 2; w = (m H + h) A + a
// shapes  source [M, A] (kind 1) or [B, W] (kinds 2, 3) f32, absent for kind 0; logStd [B, W] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B W / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/stochastic-heads.test.ts  atol 2e-6 (tanh 1e-5)  at 1 to 257 rows, 1 to 5 modes

struct Params { rows: u32, width: u32, actionSize: u32, perMode: u32, kind: u32, low: f32, high: f32, constant: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> logStd: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  switch (params.kind) {
    case 1u: {
      // source[m, a] for element w of any row: m = w / (H A), a = w mod A
      let element = n % params.width;
      let at = (element / params.perMode) * params.actionSize + element % params.actionSize;
      logStd[n] = 0.5 * clamp(source[at], params.low, params.high);
    }
    case 2u: { logStd[n] = 0.5 * (params.low + 0.5 * (params.high - params.low) * (stable_tanh(source[n]) + 1.0)); }
    case 3u: { logStd[n] = 0.5 * clamp(source[n], params.low, params.high); }
    default: { logStd[n] = params.constant; }
  }
}
