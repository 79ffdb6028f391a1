// mixture_density — logProb[b] = ln sum_m w_m prod_c N(x[b, c]; mean[b, m, c], std[b, m, c]^2), w = softmax(logits[b]), std = exp(logStd);
//           entropy[b] = sum_m w_m sum_c (ln(2 pi e)/2 + logStd[b, m, c]); spread[b] = sum_m w_m mean_c std[b, m, c]
// shapes  x [B, C]; logits [B, M]; mean, logStd [B, M, C]; logProb, entropy, spread [B] f32; M <= 16
// owns    unit: one row
// split   rows
// order   f32 over c mod 4, then over m in order; log-sum-exp about the largest term so far
// alias   none
// test    test/kernels/stochastic-heads.test.ts  rtol 4e-6  at 1 to 257 rows, 1 to 16 components
import { exp4, log4, splat } from "../lib/math";
import { componentDensity, exp1 } from "../lib/mixture";
import { sumLanes } from "../lib/sum";
import { firstLanes, loadPart } from "../lib/tail";

/** args: rows, components, width; x, logits, mean, logStd, logProb, entropy, spread */
export function mixtureDensity(args: usize, from: u32, to: u32): void {
  const components = load<u32>(args, 4);
  const width = load<u32>(args, 8);
  const x = <usize>load<u32>(args, 12);
  const logits = <usize>load<u32>(args, 16);
  const mean = <usize>load<u32>(args, 20);
  const logStd = <usize>load<u32>(args, 24);
  const logProb = <usize>load<u32>(args, 28);
  const entropy = <usize>load<u32>(args, 32);
  const spread = <usize>load<u32>(args, 36);
  for (let b = from; b < to; b++) {
    // Running log-sum-exps: (top, sum) stands for top + ln sum; a new top scales the old sum down.
    let top: f32 = -3.4e38;
    let sum: f32 = 0;
    let topLogit: f32 = -3.4e38;
    let mass: f32 = 0;
    let entropies: f32 = 0;
    let spreads: f32 = 0;
    for (let m: u32 = 0; m < components; m++) {
      const row = <usize>((b * components + m) * width) << 2;
      const logit = load<f32>(logits + (<usize>(b * components + m) << 2));
      const score = logit + componentDensity(x + (<usize>(b * width) << 2), mean + row, logStd + row, width);
      if (score > top) {
        sum = sum * exp1(top - score) + 1;
        top = score;
      } else {
        sum += exp1(score - top);
      }
      let weight: f32 = 1;
      if (logit > topLogit) {
        const scale = exp1(topLogit - logit);
        mass *= scale;
        entropies *= scale;
        spreads *= scale;
        topLogit = logit;
      } else {
        weight = exp1(logit - topLogit);
      }
      mass += weight;
      let logs = splat(0);
      let stds = splat(0);
      for (let c: u32 = 0; c < width; c += 4) {
        const left = width - c;
        const s = loadPart(logStd + row + (<usize>c << 2), left);
        logs = f32x4.add(logs, s);
        stds = f32x4.add(stds, v128.and(exp4(s), firstLanes(left)));
      }
      entropies += weight * (sumLanes(logs) + <f32>width * <f32>1.4189385);
      spreads += (weight * sumLanes(stds)) / <f32>width;
    }
    const row = <usize>b << 2;
    const logs = log4(f32x4.replace_lane(splat(sum), 1, mass));
    store<f32>(logProb + row, top + f32x4.extract_lane(logs, 0) - topLogit - f32x4.extract_lane(logs, 1));
    store<f32>(entropy + row, entropies / mass);
    store<f32>(spread + row, spreads / mass);
  }
}
