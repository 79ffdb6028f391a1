/** Sizes of samples [B, L, C] whose C channels are cut into G groups of neighbours. */
export interface GroupNormSizes {
  readonly B: number;
  readonly L: number;
  readonly C: number;
  readonly G: number;
}

interface Moments {
  readonly mean: number;
  readonly rstd: number;
}

/** Elements of group g of sample b. */
function elementsOf({ L, C, G }: GroupNormSizes, b: number, g: number): number[] {
  const width = C / G;
  return Array.from({ length: L * width }, (_, i) => (b * L + Math.floor(i / width)) * C + g * width + (i % width));
}

function momentsOf(x: ArrayLike<number>, elements: readonly number[], epsilon: number): Moments {
  const mean = elements.reduce((sum, at) => sum + x[at]!, 0) / elements.length;
  const variance = elements.reduce((sum, at) => sum + (x[at]! - mean) ** 2, 0) / elements.length;
  return { mean, rstd: 1 / Math.sqrt(variance + epsilon) };
}

function forEachGroup({ B, G }: GroupNormSizes, visit: (b: number, g: number) => void): void {
  for (let b = 0; b < B; b++) for (let g = 0; g < G; g++) visit(b, g);
}

/** y[b,l,c] = n[b,l,c] · weight[c] + bias[c], n normed over the positions and channels of c's group (population variance). */
export function groupNorm(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  epsilon: number,
  sizes: GroupNormSizes,
): Float64Array {
  const y = new Float64Array(x.length);
  forEachGroup(sizes, (b, g) => {
    const elements = elementsOf(sizes, b, g);
    const { mean, rstd } = momentsOf(x, elements, epsilon);
    for (const at of elements) y[at] = (x[at]! - mean) * rstd * weight[at % sizes.C]! + bias[at % sizes.C]!;
  });
  return y;
}

/** dx = rstd (h − mean(h) − n mean(h n)) with h = dy · weight, means over the group; dweight and dbias for each sample apart. */
export function groupNormBackward(
  dy: ArrayLike<number>,
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  epsilon: number,
  sizes: GroupNormSizes,
): { readonly dx: Float64Array; readonly dweight: Float64Array; readonly dbias: Float64Array } {
  const { B, C } = sizes;
  const dx = new Float64Array(x.length);
  const dweight = new Float64Array(B * C);
  const dbias = new Float64Array(B * C);
  forEachGroup(sizes, (b, g) => {
    const elements = elementsOf(sizes, b, g);
    const { mean, rstd } = momentsOf(x, elements, epsilon);
    let meanH = 0;
    let meanHN = 0;
    for (const at of elements) {
      const n = (x[at]! - mean) * rstd;
      const h = dy[at]! * weight[at % C]!;
      meanH += h / elements.length;
      meanHN += (h * n) / elements.length;
      dweight[b * C + (at % C)]! += dy[at]! * n;
      dbias[b * C + (at % C)]! += dy[at]!;
    }
    for (const at of elements) dx[at] = rstd * (dy[at]! * weight[at % C]! - meanH - (x[at]! - mean) * rstd * meanHN);
  });
  return { dx, dweight, dbias };
}
