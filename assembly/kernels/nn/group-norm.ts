// group_norm — y[b,l,c] = f(n[b,l,c] weight[c] + bias[c]) scale[b,c] + shift[b,c] + addend[b,l,c],
//              n[b,l,c] = (x[b,l,c] - mean) / sqrt(mean of (x - mean)^2 + epsilon), means over l and the channels of c's group
// shapes  x [B, L, C] f32; weight [C] f32, bias [C] f32, left out with groups = 0, where f is applied to x; film (optional)
//         [B, C] f32 = shift with modulation 1, [B, 2, C] f32 = (scale, shift) with modulation 2; addend (optional), y [B, L, C] f32
// owns    unit: one sample b
// order   f32: four lanes over channels mod 4 of all positions, then the lanes; the variance after the mean
// alias   none
// test    test/kernels/group-norm.test.ts  rtol 4e-6  at 1 to 33 samples of 1 to 17 positions and 1 to 65 channels
import { activate4, MISH, mish4 } from "../lib/activation";
import { groupMean, groupRstd, takeMoments } from "../lib/group-moments";
import { madd, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, length, channels, groups, activation, modulation, hasAddend, epsilon; x, weight, bias, film, addend, y */
export function groupNorm(args: usize, from: u32, to: u32): void {
  const length = load<u32>(args, 4);
  const channels = load<u32>(args, 8);
  const groups = load<u32>(args, 12);
  const kind = load<u32>(args, 16);
  const modulation = load<u32>(args, 20);
  const hasAddend = load<u32>(args, 24) != 0;
  const epsilon = load<f32>(args, 28);
  const weight = <usize>load<u32>(args, 36);
  const bias = <usize>load<u32>(args, 40);
  const stride = <usize>channels << 2;
  const sample = length * stride;
  const width = groups == 0 ? channels : channels / groups;
  for (let b = from; b < to; b++) {
    const x = <usize>load<u32>(args, 32) + b * sample;
    const film = <usize>load<u32>(args, 44) + b * modulation * stride;
    const addend = <usize>load<u32>(args, 48) + b * sample;
    const y = <usize>load<u32>(args, 52) + b * sample;
    for (let first: u32 = 0; first < channels; first += width) {
      if (groups > 0) takeMoments(x + (<usize>first << 2), length, width, stride, epsilon);
      for (let c = first; c < first + width; c += 4) {
        const left = first + width - c;
        const offset = <usize>c << 2;
        // n weight + bias = x slope + start
        let slope = splat(1);
        let start = splat(0);
        if (groups > 0) {
          slope = f32x4.mul(loadPart(weight + offset, left), splat(groupRstd));
          start = loadPart(bias + offset, left);
        }
        const mean = splat(groups > 0 ? groupMean : 0);
        let scale = splat(1);
        let shift = splat(0);
        if (modulation == 2) {
          scale = loadPart(film + offset, left);
          shift = loadPart(film + stride + offset, left);
        } else if (modulation == 1) {
          shift = loadPart(film + offset, left);
        }
        let at = offset;
        for (let l: u32 = 0; l < length; l++, at += stride) {
          const p = madd(f32x4.sub(loadPart(x + at, left), mean), slope, start);
          let value = madd(kind == MISH ? mish4(p) : activate4(kind, p), scale, shift);
          if (hasAddend) value = f32x4.add(value, loadPart(addend + at, left));
          storePart(y + at, value, left);
        }
      }
    }
  }
}
