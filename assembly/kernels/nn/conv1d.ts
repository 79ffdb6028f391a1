// conv1d — y[b,o,m] = sum_(j < count_o, c) x[b, first_o + j, c] W[m, c, tap_o + j] + bias[m] + addend[b,o,m]
// shapes  x [B, L, C] f32; packed [ceil(M / 8), T C, 8] f32 (conv1d_pack); windows [O, 3] u32 = (first_o, count_o, tap_o);
//         bias [M] f32, addend [B, O, M] f32, both optional; y [B, O, M] f32
// owns    unit: one sample b
// order   over (j, c) ascending, f32; then the bias, then the addend
// alias   none
// test    test/kernels/conv1d.test.ts  rtol 2e-6
//
// The taps of one position are neighbours in memory, in x as in the packed weight: each position is a product of rows x[b, first_o ..]
// with a part of every panel, and what would fall on padding is not there.
import { follow, multiply } from "../lib/product";

/** args: rows, inLength, inChannels, outLength, outChannels, taps, hasBias, hasAddend; x, packed, windows, bias, addend, y */
export function conv1d(args: usize, from: u32, to: u32): void {
  const inChannels = <usize>load<u32>(args, 8);
  const outLength = <usize>load<u32>(args, 12);
  const outChannels = <usize>load<u32>(args, 16);
  const inStride = (load<u32>(args, 4) * inChannels) << 2;
  const panelStride = (load<u32>(args, 20) * inChannels) << 5;
  const x = <usize>load<u32>(args, 32);
  const packed = <usize>load<u32>(args, 36);
  let window = <usize>load<u32>(args, 40);
  let addend = <usize>load<u32>(args, 48);
  let y = <usize>load<u32>(args, 52);
  const width = outChannels << 2;
  for (let o: usize = 0; o < outLength; o++) {
    follow(outChannels, outLength * width, load<u32>(args, 44), 0, 0, addend, y, 0, 0);
    multiply(
      x + ((load<u32>(window) * inChannels) << 2), inStride, packed + ((load<u32>(window, 8) * inChannels) << 5), panelStride,
      load<u32>(window, 4) * inChannels, from, to, load<u32>(args, 56),
    );
    window += 12;
    y += width;
    if (addend != 0) addend += width;
  }
}
