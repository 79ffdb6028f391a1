// bradley_terry — per member: loss = 1/n sum_i l_i, dr0[i], dr1[i] = dloss/dr0[i], dloss/dr1[i], dlogNu = dloss/dlogNu, d = r1[i] - r0[i], y = labels[i]
//         cross-entropy: l = t softplus(-d) + (1 - t) softplus(d), dr1 = (sigmoid(d) - t) / n, dr0 = -dr1, t = y (1 - s) + (1 - y) s, s = smoothing
//           drop: ties (y < 0) are left out and n counts the others; half: ties have t = 1/2 and n counts all
//         davidson: e^r0, e^r1 and nu e^((r0 + r1) / 2) over their sum are the probabilities of y = 0, y = 1 and a tie; l = -ln of the one seen, n counts all
//         statistics = [loss, share of strict pairs with the sign of d as labelled, number of strict pairs]; a mean of nothing is 0
// shapes  r0, r1, dr0, dr1 [M, N] f32; labels [M, N] f32, or [N] for all members (labelStride 0); logNu, dlogNu [M] f32, davidson only; statistics [M, 3] f32
// owns    unit: one member
// split   units
// order   f64, in order of i
// alias   none
// test    test/kernels/bradley-terry.test.ts  rtol 4e-6  at 1, 3, 33, 257, 600 pairs, 1 to 3 members

const DROP: u32 = 0;
const HALF: u32 = 1;
const DAVIDSON: u32 = 2;

/** args: members, pairs, labelStride, rule, smoothing; r0, r1, labels, logNu, dr0, dr1, dlogNu, statistics */
export function bradleyTerry(args: usize, from: u32, to: u32): void {
  const pairs = load<u32>(args, 4);
  const labelStride = load<u32>(args, 8);
  const rule = load<u32>(args, 12);
  const smoothing = <f64>load<f32>(args, 16);
  const size = <usize>pairs << 2;
  for (let member = from; member < to; member++) {
    const r0 = <usize>load<u32>(args, 20) + member * size;
    const r1 = <usize>load<u32>(args, 24) + member * size;
    const labels = <usize>load<u32>(args, 28) + (<usize>(member * labelStride) << 2);
    const dr0 = <usize>load<u32>(args, 36) + member * size;
    const dr1 = <usize>load<u32>(args, 40) + member * size;
    const statistics = <usize>load<u32>(args, 48) + member * 12;

    let strict: u32 = 0;
    let right: u32 = 0;
    for (let at: usize = 0; at < size; at += 4) {
      const y = load<f32>(labels + at);
      if (y < 0) continue;
      strict++;
      if ((load<f32>(r1 + at) > load<f32>(r0 + at)) == (y == 1)) right++;
    }
    const share = 1.0 / <f64>max(rule == DROP ? strict : pairs, 1);

    let loss: f64 = 0;
    let slope: f64 = 0;
    if (rule == DAVIDSON) {
      const nu = <f64>load<f32>(<usize>load<u32>(args, 32) + (<usize>member << 2));
      for (let at: usize = 0; at < size; at += 4) {
        const y = load<f32>(labels + at);
        // Scores less their mean: -d/2, d/2 and logNu.
        const half = 0.5 * (<f64>load<f32>(r1 + at) - <f64>load<f32>(r0 + at));
        const top = max(abs(half), nu);
        const e0 = Math.exp(-half - top);
        const e1 = Math.exp(half - top);
        const eTie = Math.exp(nu - top);
        const z = e0 + e1 + eTie;
        loss += top + Math.log(z) - (y < 0 ? nu : y == 1 ? half : -half);
        const dTie = eTie / z - (y < 0 ? 1.0 : 0.0);
        slope += dTie;
        store<f32>(dr0 + at, <f32>((e0 / z - (y == 0 ? 1.0 : 0.0) + 0.5 * dTie) * share));
        store<f32>(dr1 + at, <f32>((e1 / z - (y == 1 ? 1.0 : 0.0) + 0.5 * dTie) * share));
      }
      store<f32>(<usize>load<u32>(args, 44) + (<usize>member << 2), <f32>(slope * share));
    } else {
      for (let at: usize = 0; at < size; at += 4) {
        const y = <f64>load<f32>(labels + at);
        if (y < 0 && rule != HALF) {
          store<f32>(dr0 + at, 0);
          store<f32>(dr1 + at, 0);
          continue;
        }
        const d = <f64>load<f32>(r1 + at) - <f64>load<f32>(r0 + at);
        const t = y < 0 ? 0.5 : y * (1 - smoothing) + (1 - y) * smoothing;
        // softplus(-d) = max(-d, 0) + log(1 + e^-|d|), softplus(d) = softplus(-d) + d
        const e = Math.exp(-abs(d));
        loss += max(-d, 0) + Math.log1p(e) + (1 - t) * d;
        const up = <f32>(((d >= 0 ? 1.0 : e) / (1 + e) - t) * share);
        store<f32>(dr1 + at, up);
        store<f32>(dr0 + at, -up);
      }
    }
    store<f32>(statistics, <f32>(loss * share));
    store<f32>(statistics, <f32>(<f64>right / <f64>max(strict, 1)), 4);
    store<f32>(statistics, <f32>strict, 8);
  }
}
