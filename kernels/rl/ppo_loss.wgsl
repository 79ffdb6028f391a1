// ppo_loss — loss[r] = max(-A rho, -A clamp(rho, 1 - eps_j, 1 + eps_j)), rho = e^d; dlogp[r,k] = -A rho gate[r,k] weight gradientScale, k < counted, else 0
//         d = weight sum_k clamp(new[r,k]) - clamp(old[r,k]), k < counted; gate 0 where new[r,k] is beyond the clamp
//         aggregateFirst: d = clamp(weight sum_k new[r,k]) - clamp(weight sum_k old[r,k]); gate 0 where the first sum is beyond the clamp
//         dlogp is also 0 where rho is outside the range and A (rho - 1) >= 0
//         A = discount_j clamp((clamp(advantages[r / repeats], lowest, highest) - mean) / (deviation + 1e-8), -advantageLimit, advantageLimit)
//         j = transitions[r], or r mod K' without; partials[c,b] = sum over rows of block b of loss, rho - 1 - d, |rho - 1| > eps_j, rho
// shapes  newLogProb, oldLogProb, dlogp [R, W] f32; advantages [R / repeats] f32; transitions [R] u32, optional; schedule [2, K'] f32: eps, discount
//         statistics [4] f32, optional: mean, deviation, lowest, highest; partials [4, blocks] f32, blocks = ceil(R / 256)
// owns    invocation: one row; workgroup: one block of 256 rows
// grid    blocks  workgroup [256, 1, 1]
// order   f32: k in order; rows by the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 8 storage buffers
// test    test/kernels/ppo-loss.test.ts  rtol 4e-6  at 1x1, 3x4, 31x6, 257x8, 600x28

struct Params {
  rows: u32, width: u32, counted: u32, repeats: u32,
  tunedSteps: u32, normalise: u32, hasLimits: u32, hasTransitions: u32,
  aggregateFirst: u32, low: f32, high: f32, weight: f32,
  advantageLimit: f32, gradientScale: f32, pad0: u32, pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> newLogProb: array<f32>;
@group(0) @binding(2) var<storage, read> oldLogProb: array<f32>;
@group(0) @binding(3) var<storage, read> advantages: array<f32>;
@group(0) @binding(4) var<storage, read> transitions: array<u32>;
@group(0) @binding(5) var<storage, read> schedule: array<f32>;
@group(0) @binding(6) var<storage, read> statistics: array<f32>;
@group(0) @binding(7) var<storage, read_write> dlogp: array<f32>;
@group(0) @binding(8) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_number(group, groups);
  let blocks = (params.rows + 255u) / 256u;
  let r = block * 256u + lane;
  var loss = 0.0;
  var divergence = 0.0;
  var clipped = 0.0;
  var ratio = 0.0;
  if (r < params.rows) {
    let start = r * params.width;
    var d = 0.0;
    var isOpen = true;
    if (params.aggregateFirst != 0u) {
      var newSum = 0.0;
      var oldSum = 0.0;
      for (var k = 0u; k < params.counted; k++) {
        newSum += newLogProb[start + k];
        oldSum += oldLogProb[start + k];
      }
      let value = params.weight * newSum;
      isOpen = value >= params.low && value <= params.high;
      d = clamp(value, params.low, params.high) - clamp(params.weight * oldSum, params.low, params.high);
    } else {
      for (var k = 0u; k < params.counted; k++) {
        d += clamp(newLogProb[start + k], params.low, params.high) - clamp(oldLogProb[start + k], params.low, params.high);
      }
      d *= params.weight;
    }

    var j = r % params.tunedSteps;
    if (params.hasTransitions != 0u) { j = min(transitions[r], params.tunedSteps - 1u); }
    var advantage = advantages[r / params.repeats];
    if (params.hasLimits != 0u) { advantage = clamp(advantage, statistics[2], statistics[3]); }
    if (params.normalise != 0u) { advantage = (advantage - statistics[0]) / (statistics[1] + 1e-8); }
    advantage = clamp(advantage, -params.advantageLimit, params.advantageLimit) * schedule[params.tunedSteps + j];

    let epsilon = schedule[j];
    divergence = excess(d);
    let change = d + divergence;
    ratio = 1.0 + change;
    loss = max(-advantage * ratio, -advantage * clamp(ratio, 1.0 - epsilon, 1.0 + epsilon));
    let isInside = abs(change) <= epsilon;
    clipped = select(1.0, 0.0, isInside);
    var slope = 0.0;
    if (isOpen && (isInside || advantage * change < 0.0)) { slope = -advantage * ratio * params.weight * params.gradientScale; }
    for (var k = 0u; k < params.width; k++) {
      let value = newLogProb[start + k];
      let passes = k < params.counted && (params.aggregateFirst != 0u || (value >= params.low && value <= params.high));
      dlogp[start + k] = select(0.0, slope, passes);
    }
  }
  let lossSum = workgroup_sum(lane, loss);
  let divergenceSum = workgroup_sum(lane, divergence);
  let clippedSum = workgroup_sum(lane, clipped);
  let ratioSum = workgroup_sum(lane, ratio);
  if (lane == 0u && block < blocks) {
    partials[block] = lossSum;
    partials[blocks + block] = divergenceSum;
    partials[2u * blocks + block] = clippedSum;
    partials[3u * blocks + block] = ratioSum;
  }
}
