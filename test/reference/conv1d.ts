/**
 * Sizes of a convolution between a short sequence of S channels and a long one of C: position o of the short one meets position
 * o · stride + t − padding of the long one through tap t of the weight [S, C, K]. Sequences are [B, positions, channels].
 */
export interface ConvolutionSizes {
  readonly shortLength: number;
  readonly shortChannels: number;
  readonly longLength: number;
  readonly longChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** Calls `visit` with the offsets of every product: of the short sequence, of the long one and of the weight. */
function forEachProduct(B: number, sizes: ConvolutionSizes, visit: (short: number, long: number, weight: number) => void): void {
  const { shortLength: O, shortChannels: S, longLength: L, longChannels: C, kernel: K, stride, padding } = sizes;
  for (let b = 0; b < B; b++) {
    for (let o = 0; o < O; o++) {
      for (let t = 0; t < K; t++) {
        const l = o * stride + t - padding;
        if (l < 0 || l >= L) continue;
        for (let s = 0; s < S; s++) {
          for (let c = 0; c < C; c++) visit((b * O + o) * S + s, (b * L + l) * C + c, (s * C + c) * K + t);
        }
      }
    }
  }
}

/** short[b,o,s] = Σ_{t,c} long[b, o · stride + t − padding, c] W[s,c,t]: a convolution, or the way back of a transposed one. */
export function convolve(long: ArrayLike<number>, weight: ArrayLike<number>, B: number, sizes: ConvolutionSizes): Float64Array {
  const short = new Float64Array(B * sizes.shortLength * sizes.shortChannels);
  forEachProduct(B, sizes, (s, l, w) => { short[s]! += long[l]! * weight[w]!; });
  return short;
}

/** long[b,l,c] = Σ short[b,o,s] W[s,c,t] over o · stride + t − padding = l: the adjoint of {@link convolve}. */
export function convolveTransposed(short: ArrayLike<number>, weight: ArrayLike<number>, B: number, sizes: ConvolutionSizes): Float64Array {
  const long = new Float64Array(B * sizes.longLength * sizes.longChannels);
  forEachProduct(B, sizes, (s, l, w) => { long[l]! += short[s]! * weight[w]!; });
  return long;
}

/** dW[s,c,t] = Σ_{b,o} short[b,o,s] long[b, o · stride + t − padding, c], one of the two being a gradient. */
export function convolveBackwardWeight(short: ArrayLike<number>, long: ArrayLike<number>, B: number, sizes: ConvolutionSizes): Float64Array {
  const dWeight = new Float64Array(sizes.shortChannels * sizes.longChannels * sizes.kernel);
  forEachProduct(B, sizes, (s, l, w) => { dWeight[w]! += short[s]! * long[l]!; });
  return dWeight;
}
