// denoise_step — xNext[b, c] = clamp(mean[b, c] + sigma clamp(noise[noiseOffset + b X + c], +-randnClip), +-finalClip), mean by lib/denoise
// shapes  x [B, X] f32; network [B, X] f32; noise [noiseOffset + B X] f32; schedule [steps, 8] f32 = (a, b, c, d, e, std, 0, 0);
//         xNext [B, X] f32; chain [B, chainSlots, X] f32, optional: x to slot chainInputSlot, xNext to slot chainSlot
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/denoise.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33

// A slot beyond the chain records nothing; without a chain, chainSlots is 0.

struct Params {
  rows: u32, width: u32, steps: u32, step: u32,
  sigma: f32, x0Clip: f32, epsClip: f32, randnClip: f32,
  finalClip: f32, predictEpsilon: u32, noiseOffset: u32, chainSlots: u32,
  chainSlot: u32, chainInputSlot: u32, pad0: u32, pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> network: array<f32>;
@group(0) @binding(3) var<storage, read> noise: array<f32>;
@group(0) @binding(4) var<storage, read> schedule: array<f32>;
@group(0) @binding(5) var<storage, read_write> xNext: array<f32>;
@group(0) @binding(6) var<storage, read_write> chain: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let s = 8u * min(params.step, params.steps - 1u);
  let row = StepRow(schedule[s], schedule[s + 1u], schedule[s + 2u], schedule[s + 3u], schedule[s + 4u]);
  let mean = step_mean(row, x[n], network[n], params.predictEpsilon, params.x0Clip, params.epsClip);
  let z = clamp(noise[params.noiseOffset + n], -params.randnClip, params.randnClip);
  let next = clamp(mean.value + params.sigma * z, -params.finalClip, params.finalClip);
  xNext[n] = next;
  // chain[b, slot, c]
  let b = n / params.width;
  let c = n % params.width;
  if (params.chainInputSlot < params.chainSlots) { chain[(b * params.chainSlots + params.chainInputSlot) * params.width + c] = x[n]; }
  if (params.chainSlot < params.chainSlots) { chain[(b * params.chainSlots + params.chainSlot) * params.width + c] = next; }
}
