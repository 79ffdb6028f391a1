// conv1d_pack — packed[p][j C + c][l] = weight[offset + (8p + l) outStride + c inStride + taps_j], 0 beyond the end
// shapes  weight f32, rows and columns as the strides say; taps [T] u32; packed [ceil(M / 8), T C, 8] f32
// owns    unit: one panel of 8 features
// order   no sums
// alias   none
// test    test/kernels/conv1d.test.ts  exact

/** args: outChannels, inChannels, taps, outStride, inStride, offset; weight, taps, packed */
export function conv1dPack(args: usize, from: u32, to: u32): void {
  const outChannels = load<u32>(args);
  const inChannels = <usize>load<u32>(args, 4);
  const tapCount = <usize>load<u32>(args, 8);
  const lane = <usize>load<u32>(args, 12) << 2;
  const inStride = <usize>load<u32>(args, 16) << 2;
  const weight = <usize>load<u32>(args, 24) + (<usize>load<u32>(args, 20) << 2);
  const taps = <usize>load<u32>(args, 28);
  const lane4 = lane << 2;
  for (let p = from; p < to; p++) {
    const used = min<u32>(8, outChannels - (p << 3));
    let panel = <usize>load<u32>(args, 32) + ((<usize>p * tapCount * inChannels) << 5);
    for (let j: usize = 0; j < tapCount; j++) {
      let at = weight + (<usize>p << 3) * lane + (<usize>load<u32>(taps + (j << 2)) << 2);
      for (let c: usize = 0; c < inChannels; c++) {
        if (used == 8) {
          let low = v128.load32_zero(at);
          let high = v128.load32_zero(at + lane4);
          low = v128.load32_lane(at + lane, low, 1);
          high = v128.load32_lane(at + lane4 + lane, high, 1);
          low = v128.load32_lane(at + 2 * lane, low, 2);
          high = v128.load32_lane(at + lane4 + 2 * lane, high, 2);
          low = v128.load32_lane(at + 3 * lane, low, 3);
          high = v128.load32_lane(at + lane4 + 3 * lane, high, 3);
          v128.store(panel, low);
          v128.store(panel, high, 16);
        } else {
          for (let l: usize = 0; l < 8; l++) store<f32>(panel + (l << 2), l < used ? load<f32>(at + l * lane) : 0);
        }
        at += inStride;
        panel += 32;
      }
    }
  }
}
