/** How far one array of numbers is from the expected one. */
export interface Closeness {
  /** Largest |got − expected|. */
  readonly absolute: number;
  /** Largest |got − expected| / (largest |expected|), or the absolute error where everything expected is 0. */
  readonly relative: number;
  /** Where the largest absolute error is; -1 for empty arrays. */
  readonly index: number;
  /** Largest |got − expected| / (atol + rtol · largest |expected|); passes up to 1. */
  readonly share: number;
  /** One line for a person. */
  readonly text: string;
}

/** What is allowed: |got − expected| ≤ absolute + relative · max|expected|, one bound for the whole tensor. */
export interface Tolerance {
  readonly absolute?: number;
  readonly relative?: number;
}

/**
 * Measures `got` against `expected`. The relative part scales with the largest expected magnitude of the tensor, not
 * with each element: an element near zero is a sum of larger terms and carries their rounding.
 * A number that is not finite is equal only to the same number.
 */
export function measure(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance): Closeness {
  if (got.length !== expected.length) {
    const text = `expected ${expected.length} numbers, got ${got.length}`;
    return { absolute: Infinity, relative: Infinity, index: -1, share: Infinity, text };
  }
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const magnitude = Math.abs(expected[i]!);
    if (Number.isFinite(magnitude)) scale = Math.max(scale, magnitude);
  }
  let absolute = 0;
  let index = expected.length > 0 ? 0 : -1;
  for (let i = 0; i < expected.length; i++) {
    const isEqual = Object.is(got[i], expected[i]) || got[i] === expected[i];
    const error = isEqual ? 0 : Math.abs(got[i]! - expected[i]!);
    const worst = Number.isNaN(error) ? Infinity : error;
    if (worst > absolute) {
      absolute = worst;
      index = i;
    }
  }
  const relative = scale > 0 ? absolute / scale : absolute;
  const bound = (tolerance.absolute ?? 0) + (tolerance.relative ?? 0) * scale;
  const share = absolute === 0 ? 0 : absolute / bound;
  const text =
    `worst absolute error ${absolute.toExponential(2)}, relative ${relative.toExponential(2)} at ${index} ` +
    `(got ${got[index]}, expected ${expected[index]}), ${(100 * share).toPrecision(3)} % of the tolerance`;
  return { absolute, relative, index, share, text };
}

/** Throws, with the worst error and where it is, when `got` is further from `expected` than the tolerance allows. */
export function expectClose(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what = "values",
): Closeness {
  const closeness = measure(got, expected, tolerance);
  if (!(closeness.share <= 1)) throw new RangeError(`${what}: ${closeness.text}`);
  return closeness;
}
