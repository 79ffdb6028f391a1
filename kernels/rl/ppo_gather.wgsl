// ppo_gather — q = permutation[offset + r] (step) or permutation[offset + r / K'] K' + r mod K' (chain)
//         rows[r] = q / K', transitions[r] = q mod K', flat[r] = q, steps[r] = firstStep + transitions[r]
// shapes  permutation [offset + R or R / K' or more] u32; rows, transitions, flat (optional), steps (optional) [R] u32
// owns    invocation: one r; workgroup: 256
// grid    ceil(R / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/ppo-gather.test.ts  exact  at 1, 3, 33, 257, 625

struct Params { count: u32, offset: u32, tunedSteps: u32, wholeChains: u32, firstStep: u32, hasFlat: u32, hasSteps: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> permutation: array<u32>;
@group(0) @binding(2) var<storage, read_write> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> transitions: array<u32>;
@group(0) @binding(4) var<storage, read_write> flat: array<u32>;
@group(0) @binding(5) var<storage, read_write> steps: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let r = invocation_number(group, groups, lane, 256u);
  if (r >= params.count) { return; }
  var row: u32;
  var j: u32;
  if (params.wholeChains != 0u) {
    row = permutation[params.offset + r / params.tunedSteps];
    j = r % params.tunedSteps;
  } else {
    let q = permutation[params.offset + r];
    row = q / params.tunedSteps;
    j = q % params.tunedSteps;
  }
  rows[r] = row;
  transitions[r] = j;
  if (params.hasFlat != 0u) { flat[r] = row * params.tunedSteps + j; }
  if (params.hasSteps != 0u) { steps[r] = params.firstStep + j; }
}
