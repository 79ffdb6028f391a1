// sum_segments_backward — dr[s,h] = dscore[s]
// shapes  dscore [S] f32; dr [S, H] f32
// owns    unit: one segment
// split   units
// order   no sums
// alias   none
// test    test/kernels/bradley-terry.test.ts  exact  at 1x1, 3x31, 65x33, 257x3

/** args: segments, horizon; dscore, dr */
export function sumSegmentsBackward(args: usize, from: u32, to: u32): void {
  const horizon = load<u32>(args, 4);
  const dscore = <usize>load<u32>(args, 8);
  const dr = <usize>load<u32>(args, 12);
  let at = dr + (<usize>from * horizon << 2);
  for (let s = from; s < to; s++) {
    const slope = load<f32>(dscore + (<usize>s << 2));
    const slope4 = f32x4.splat(slope);
    const end = at + (<usize>horizon << 2);
    for (; at + 16 <= end; at += 16) v128.store(at, slope4);
    for (; at < end; at += 4) store<f32>(at, slope);
  }
}
