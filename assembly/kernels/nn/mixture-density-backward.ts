// mixture_density_backward — with w = softmax(logits[b]), r_m the share of component m in the density, z = (x - mean)/std, H_m its entropy:
//           dLogits = dLogProb (r_m - w_m) + dEntropy w_m (H_m - sum w H); dMean = dLogProb r_m z / std;
//           dLogStd = dLogProb r_m (z^2 - 1) + dEntropy w_m
// shapes  x [B, C]; logits [B, M]; mean, logStd [B, M, C]; dLogProb [B]; dLogits [B, M]; dMean, dLogStd [B, M, C] f32; M <= 16
// owns    unit: one row
// split   rows
// order   f32 over c mod 4, then over m in order
// alias   none
// test    test/kernels/stochastic-heads.test.ts  rtol 1e-5  at 1 to 257 rows, 1 to 16 components
import { exp4, madd, splat } from "../lib/math";
import { componentDensity, exp1 } from "../lib/mixture";
import { sumLanes } from "../lib/sum";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, components, width, dEntropy; x, logits, mean, logStd, dLogProb, dLogits, dMean, dLogStd */
export function mixtureDensityBackward(args: usize, from: u32, to: u32): void {
  const components = load<u32>(args, 4);
  const width = load<u32>(args, 8);
  const dEntropy = load<f32>(args, 12);
  const x = <usize>load<u32>(args, 16);
  const logits = <usize>load<u32>(args, 20);
  const mean = <usize>load<u32>(args, 24);
  const logStd = <usize>load<u32>(args, 28);
  const dLogProb = <usize>load<u32>(args, 32);
  const dLogits = <usize>load<u32>(args, 36);
  const dMean = <usize>load<u32>(args, 40);
  const dLogStd = <usize>load<u32>(args, 44);
  for (let b = from; b < to; b++) {
    const xRow = x + (<usize>(b * width) << 2);
    const modes = <usize>(b * components) << 2;
    const d = load<f32>(dLogProb + (<usize>b << 2));
    // Scores pass through dLogits and entropies through the first element of dLogStd's rows: both are overwritten below.
    let top: f32 = -3.4e38;
    let topLogit: f32 = -3.4e38;
    for (let m: u32 = 0; m < components; m++) {
      const row = <usize>((b * components + m) * width) << 2;
      const logit = load<f32>(logits + modes + (<usize>m << 2));
      const score = logit + componentDensity(xRow, mean + row, logStd + row, width);
      store<f32>(dLogits + modes + (<usize>m << 2), score);
      top = max(top, score);
      topLogit = max(topLogit, logit);
    }
    let sum: f32 = 0;
    let mass: f32 = 0;
    let meanEntropy: f32 = 0;
    for (let m: u32 = 0; m < components; m++) {
      const row = <usize>((b * components + m) * width) << 2;
      sum += exp1(load<f32>(dLogits + modes + (<usize>m << 2)) - top);
      const weight = exp1(load<f32>(logits + modes + (<usize>m << 2)) - topLogit);
      mass += weight;
      let logs = splat(0);
      for (let c: u32 = 0; c < width; c += 4) logs = f32x4.add(logs, loadPart(logStd + row + (<usize>c << 2), width - c));
      const entropy = sumLanes(logs) + <f32>width * <f32>1.4189385;
      store<f32>(dLogStd + row, entropy);
      meanEntropy += weight * entropy;
    }
    meanEntropy /= mass;
    for (let m: u32 = 0; m < components; m++) {
      const row = <usize>((b * components + m) * width) << 2;
      const at = modes + (<usize>m << 2);
      const share = exp1(load<f32>(dLogits + at) - top) / sum;
      const weight = exp1(load<f32>(logits + at) - topLogit) / mass;
      const entropy = load<f32>(dLogStd + row);
      store<f32>(dLogits + at, d * (share - weight) + dEntropy * weight * (entropy - meanEntropy));
      const pull = splat(d * share);
      const entropyPull = splat(dEntropy * weight);
      for (let c: u32 = 0; c < width; c += 4) {
        const left = width - c;
        const place = row + (<usize>c << 2);
        const inverse = exp4(f32x4.neg(loadPart(logStd + place, left)));
        const z = f32x4.mul(f32x4.sub(loadPart(xRow + (<usize>c << 2), left), loadPart(mean + place, left)), inverse);
        storePart(dMean + place, f32x4.mul(pull, f32x4.mul(z, inverse)), left);
        storePart(dLogStd + place, madd(pull, f32x4.sub(f32x4.mul(z, z), splat(1.0)), entropyPull), left);
      }
    }
  }
}
