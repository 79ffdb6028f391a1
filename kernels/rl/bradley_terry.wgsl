// bradley_terry — per member: loss = 1/n sum_i l_i, dr0[i], dr1[i] = dloss/dr0[i], dloss/dr1[i], dlogNu = dloss/dlogNu, d = r1[i] - r0[i], y = labels[i]
//         cross-entropy: l = t softplus(-d) + (1 - t) softplus(d), dr1 = (sigmoid(d) - t) / n, dr0 = -dr1, t = y (1 - s) + (1 - y) s, s = smoothing
//           drop: ties (y < 0) are left out and n counts the others; half: ties have t = 1/2 and n counts all
//         davidson: e^r0, e^r1 and nu e^((r0 + r1) / 2) over their sum are the probabilities of y = 0, y = 1 and a tie; l = -ln of the one seen, n counts all
//         statistics = [loss, share of strict pairs with the sign of d as labelled, number of strict pairs]; a mean of nothing is 0
// shapes  r0, r1, dr0, dr1 [M, N] f32; labels [M, N] f32, or [N] for all members (labelStride 0); logNu, dlogNu [M] f32, davidson only; statistics [M, 3] f32
// owns    invocation: every 256th pair; workgroup: one member
// grid    M  workgroup [256, 1, 1]
// order   f32: pairs i = lane + 256 k in order of k, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 8 storage buffers
// test    test/kernels/bradley-terry.test.ts  rtol 4e-6  at 1, 3, 33, 257, 600 pairs, 1 to 3 members

struct Params { members: u32, pairs: u32, labelStride: u32, rule: u32, smoothing: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> r0: array<f32>;
@group(0) @binding(2) var<storage, read> r1: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<f32>;
@group(0) @binding(4) var<storage, read> logNu: array<f32>;
@group(0) @binding(5) var<storage, read_write> dr0: array<f32>;
@group(0) @binding(6) var<storage, read_write> dr1: array<f32>;
@group(0) @binding(7) var<storage, read_write> dlogNu: array<f32>;
@group(0) @binding(8) var<storage, read_write> statistics: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let member = workgroup_number(group, groups);
  let isMember = member < params.members;
  let start = select(0u, member * params.pairs, isMember);
  let labelStart = select(0u, member * params.labelStride, isMember);
  var strict = 0.0;
  var right = 0.0;
  for (var i = lane; i < params.pairs; i += 256u) {
    let y = labels[labelStart + i];
    if (y >= 0.0) {
      let d = r1[start + i] - r0[start + i];
      strict += 1.0;
      if ((d > 0.0) == (y == 1.0)) { right += 1.0; }
    }
  }
  let strictCount = workgroup_sum(lane, strict);
  let rightCount = workgroup_sum(lane, right);
  let share = 1.0 / max(select(f32(params.pairs), strictCount, params.rule == 0u), 1.0);

  var loss = 0.0;
  var slope = 0.0;
  if (isMember) {
    for (var i = lane; i < params.pairs; i += 256u) {
      let y = labels[labelStart + i];
      let d = r1[start + i] - r0[start + i];
      if (params.rule == 2u) {
        // Scores less their mean: -d/2, d/2 and logNu.
        let nu = logNu[member];
        let top = max(abs(0.5 * d), nu);
        let e0 = exp(-0.5 * d - top);
        let e1 = exp(0.5 * d - top);
        let eTie = exp(nu - top);
        let z = e0 + e1 + eTie;
        let seen = select(select(-0.5 * d, 0.5 * d, y == 1.0), nu, y < 0.0);
        loss += top + log(z) - seen;
        let dTie = eTie / z - select(0.0, 1.0, y < 0.0);
        slope += dTie;
        dr0[start + i] = (e0 / z - select(0.0, 1.0, y == 0.0) + 0.5 * dTie) * share;
        dr1[start + i] = (e1 / z - select(0.0, 1.0, y == 1.0) + 0.5 * dTie) * share;
      } else {
        let isTie = y < 0.0;
        let isCounted = !isTie || params.rule == 1u;
        let t = select(y * (1.0 - params.smoothing) + (1.0 - y) * params.smoothing, 0.5, isTie);
        // softplus(d) = softplus(-d) + d
        if (isCounted) { loss += softplus(-d) + (1.0 - t) * d; }
        let up = select(0.0, (sigmoid(d) - t) * share, isCounted);
        dr1[start + i] = up;
        dr0[start + i] = -up;
      }
    }
  }
  let lossSum = workgroup_sum(lane, loss);
  let slopeSum = workgroup_sum(lane, slope);
  if (lane != 0u || !isMember) { return; }
  if (params.rule == 2u) { dlogNu[member] = slopeSum * share; }
  statistics[3u * member] = lossSum * share;
  statistics[3u * member + 1u] = rightCount / max(strictCount, 1.0);
  statistics[3u * member + 2u] = strictCount;
}
