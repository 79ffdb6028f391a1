// linear_pack — packed[p][k][l] = W[8p + l, column + k]  (transposed: W[k, column + 8p + l]), 0 beyond the end
// shapes  weight [O, rowStride] f32, of which columns column .. column + I; packed [ceil(M / 8), K, 8] f32
//         (M, K) = (O, I), transposed (I, O)
// owns    unit: one panel of 8 features
// order   no sums
// alias   none
// test    test/kernels/linear.test.ts  exact

/** The panel of 8 rows of W from `row` on: packed[k][l] = W[row + l, column + k]. Four rows by four columns at a time. */
function packRows(row: usize, stride: usize, panel: usize, depth: usize): void {
  for (let half: usize = 0; half < 32; half += 16) {
    let from = row;
    row += stride << 2;
    let to = panel + half;
    let k = depth;
    for (; k >= 4; k -= 4) {
      const a = v128.load(from);
      const b = v128.load(from + stride);
      const c = v128.load(from + (stride << 1));
      const d = v128.load(from + stride * 3);
      const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
      const ef = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const gh = i32x4.shuffle(c, d, 2, 6, 3, 7);
      v128.store(to, i64x2.shuffle(ab, cd, 0, 2));
      v128.store(to, i64x2.shuffle(ab, cd, 1, 3), 32);
      v128.store(to, i64x2.shuffle(ef, gh, 0, 2), 64);
      v128.store(to, i64x2.shuffle(ef, gh, 1, 3), 96);
      from += 16;
      to += 128;
    }
    for (; k > 0; k--) {
      store<f32>(to, load<f32>(from));
      store<f32>(to, load<f32>(from + stride), 4);
      store<f32>(to, load<f32>(from + (stride << 1)), 8);
      store<f32>(to, load<f32>(from + stride * 3), 12);
      from += 4;
      to += 32;
    }
  }
}

/** args: inFeatures, outFeatures, rowStride, column, transposed; weight, packed */
export function linearPack(args: usize, from: u32, to: u32): void {
  const isTransposed = load<u32>(args, 16) != 0;
  const width = isTransposed ? load<u32>(args) : load<u32>(args, 4);
  const depth = <usize>(isTransposed ? load<u32>(args, 4) : load<u32>(args));
  const stride = <usize>load<u32>(args, 8) << 2;
  const weight = <usize>load<u32>(args, 20) + (<usize>load<u32>(args, 12) << 2);
  const packed = <usize>load<u32>(args, 24);
  for (let p = from; p < to; p++) {
    const panel = packed + ((<usize>p * depth) << 5);
    const used = min<u32>(8, width - (p << 3));
    if (used == 8 && isTransposed) {
      // Eight neighbours of every row of W.
      let source = weight + (<usize>p << 5);
      for (let k: usize = 0; k < depth; k++) {
        v128.store(panel + (k << 5), v128.load(source));
        v128.store(panel + (k << 5), v128.load(source, 16), 16);
        source += stride;
      }
    } else if (used == 8) {
      packRows(weight + (<usize>p << 3) * stride, stride, panel, depth);
    } else {
      const alongLane = isTransposed ? <usize>4 : stride;
      const alongDepth = isTransposed ? stride : <usize>4;
      const source = weight + (<usize>p << 3) * alongLane;
      for (let k: usize = 0; k < depth; k++) {
        for (let l: usize = 0; l < 8; l++) {
          store<f32>(panel + (k << 5) + (l << 2), l < used ? load<f32>(source + l * alongLane + k * alongDepth) : 0);
        }
      }
    }
  }
}
