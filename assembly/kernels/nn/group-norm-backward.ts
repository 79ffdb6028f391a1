// group_norm_backward — of y = f(p) scale + shift with p = n weight + bias (group_norm):
//   dx[b,l,c] = rstd (g - mean(g) - n mean(g n)), g = dy scale f'(p) weight, means over l and the channels of c's group
//   dfilm[b] = (sum_l dy f(p), sum_l dy) with modulation 2, sum_l dy with modulation 1
//   dnorm[b] = (sum_l dp n, sum_l dp), dp = dy scale f'(p); column_sum over b makes dweight and dbias of it
// shapes  dy, x, dx [B, L, C] f32; weight [C] f32, bias [C] f32, dnorm [B, 2, C] f32, left out with groups = 0, where p = x and
//         dx = dp; film, dfilm (optional) [B, modulation, C] f32
// owns    unit: one sample b
// order   f32: over l ascending, four lanes over channels mod 4, then the lanes; the moments as in group_norm
// alias   none
// test    test/kernels/group-norm.test.ts  rtol 1e-5  at 1 to 33 samples of 1 to 17 positions and 1 to 65 channels
import { activate4, activationSlope4, MISH, mishSlope, mishValue, takeMish } from "../lib/activation";
import { groupMean, groupRstd, takeMoments } from "../lib/group-moments";
import { madd, nmadd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, length, channels, groups, activation, modulation, epsilon; dy, x, weight, bias, film, dx, dfilm, dnorm */
export function groupNormBackward(args: usize, from: u32, to: u32): void {
  const length = load<u32>(args, 4);
  const channels = load<u32>(args, 8);
  const groups = load<u32>(args, 12);
  const kind = load<u32>(args, 16);
  const modulation = load<u32>(args, 20);
  const epsilon = load<f32>(args, 24);
  const weight = <usize>load<u32>(args, 36);
  const bias = <usize>load<u32>(args, 40);
  const stride = <usize>channels << 2;
  const sample = length * stride;
  const hasNorm = groups > 0;
  const width = hasNorm ? channels / groups : channels;
  const size = <f32>(length * width);
  for (let b = from; b < to; b++) {
    const dy = <usize>load<u32>(args, 28) + b * sample;
    const x = <usize>load<u32>(args, 32) + b * sample;
    const film = <usize>load<u32>(args, 44) + b * modulation * stride;
    const dx = <usize>load<u32>(args, 48) + b * sample;
    const dfilm = <usize>load<u32>(args, 52) + b * modulation * stride;
    const dnorm = <usize>load<u32>(args, 56) + 2 * b * stride;
    for (let first: u32 = 0; first < channels; first += width) {
      if (hasNorm) takeMoments(x + (<usize>first << 2), length, width, stride, epsilon);
      const mean = splat(hasNorm ? groupMean : 0);
      const rstd = splat(hasNorm ? groupRstd : 1);
      let sumG = splat(0);
      let sumGN = splat(0);
      // Four channels at a time: their sums over l; g waits in dx. Lanes beyond the group hold dy = 0 and add nothing.
      for (let c = first; c < first + width; c += 4) {
        const left = first + width - c;
        const offset = <usize>c << 2;
        const w = hasNorm ? loadPart(weight + offset, left) : splat(1);
        const start = hasNorm ? loadPart(bias + offset, left) : splat(0);
        const scale = modulation == 2 ? loadPart(film + offset, left) : splat(1);
        let byScale = splat(0);
        let byShift = splat(0);
        let byWeight = splat(0);
        let byBias = splat(0);
        let at = offset;
        for (let l: u32 = 0; l < length; l++, at += stride) {
          const n = f32x4.mul(f32x4.sub(loadPart(x + at, left), mean), rstd);
          const p = madd(n, w, start);
          const d = loadPart(dy + at, left);
          byShift = f32x4.add(byShift, d);
          let slope: v128;
          if (kind == MISH) {
            takeMish(p);
            byScale = madd(d, mishValue, byScale);
            slope = mishSlope;
          } else {
            if (modulation == 2) byScale = madd(d, activate4(kind, p), byScale);
            slope = activationSlope4(kind, p);
          }
          const dp = f32x4.mul(f32x4.mul(d, scale), slope);
          byWeight = madd(dp, n, byWeight);
          byBias = f32x4.add(byBias, dp);
          const g = f32x4.mul(dp, w);
          sumG = f32x4.add(sumG, g);
          sumGN = madd(g, n, sumGN);
          storePart(dx + at, g, left);
        }
        if (modulation == 2) {
          storePart(dfilm + offset, byScale, left);
          storePart(dfilm + stride + offset, byShift, left);
        } else if (modulation == 1) {
          storePart(dfilm + offset, byShift, left);
        }
        if (hasNorm) {
          storePart(dnorm + offset, byWeight, left);
          storePart(dnorm + stride + offset, byBias, left);
        }
      }
      if (!hasNorm) continue;
      const meanG = splat(sumLanes(sumG) / size);
      const meanGN = splat(sumLanes(sumGN) / size);
      for (let c = first; c < first + width; c += 4) {
        const left = first + width - c;
        let at = <usize>c << 2;
        for (let l: u32 = 0; l < length; l++, at += stride) {
          const n = f32x4.mul(f32x4.sub(loadPart(x + at, left), mean), rstd);
          const g = f32x4.sub(loadPart(dx + at, left), meanG);
          storePart(dx + at, f32x4.mul(rstd, nmadd(n, meanGN, g)), left);
        }
      }
    }
  }
}
