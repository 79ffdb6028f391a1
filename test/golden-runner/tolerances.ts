/**
 * What 32-bit engines may be off by, from the READMEs of the golden folders (and, where they say nothing, from the
 * package's own rule: forward 1e-5, gradients 1e-4, relative).
 *
 * - relative: max|got − expected| / max|expected|, tensor by tensor
 * - absolute: max|got − expected|
 * - vector:   ‖got − expected‖₂ / ‖expected‖₂ over everything that is compared at once
 */
export interface GoldenTolerance {
  readonly kind: "relative" | "absolute" | "vector";
  readonly limit: number;
}

const relative = (limit: number): GoldenTolerance => ({ kind: "relative", limit });
const absolute = (limit: number): GoldenTolerance => ({ kind: "absolute", limit });
const vector = (limit: number): GoldenTolerance => ({ kind: "vector", limit });

export const tolerances = {
  dppo: {
    /** Tables built in 64 bits, rounded once, against the same. */
    table: relative(1e-7),
    /** The same against the reference's own chain of 32-bit operations. */
    tableOf32Bits: relative(2e-5),
    forward: relative(1e-5),
    /** The same for numbers of about 1 that may happen to be next to 0. */
    forwardAbsolute: absolute(1e-5),
    gradient: relative(1e-4),
    /** Windows are copies; only returns are summed, by the reference in 32 bits. */
    window: relative(1e-6),
    networkOutput: relative(2e-6),
    networkInputGradient: relative(5e-6),
    networkParameterGradient: relative(1e-5),
    unetOutput: relative(5e-6),
    unetInputGradient: relative(2e-5),
    unetParameterGradient: relative(5e-5),
    chain: relative(2e-5),
    /** Inside the clamp region −5 … 2. */
    logProb: absolute(5e-4),
    /** Parameters and moments after steps on given gradients. */
    optimizer: relative(2e-6),
    /** The whole loss of an update. */
    loss: relative(1e-3),
    /** Means of ratios around 1, whose true value may be next to nothing. */
    statistic: absolute(5e-6),
    actorGradient: vector(1e-3),
    criticGradient: vector(1e-5),
    /** Pure functions of the host, in 64 bits. */
    host: relative(1e-12),
  },
  alignment: {
    loss: absolute(1e-5),
    logProb: absolute(1e-4),
    gradient: relative(5e-4),
    forward: relative(1e-5),
    /** Squares of the difference of two means that are close to each other. */
    divergence: relative(1e-4),
  },
} as const;

/**
 * For parameters after few Adam steps on gradients that 32 bits computed: a step is nearly sign(g) · rate, so an error is
 * measured in steps. Elements with next to no gradient are left out, see `settledElements`.
 */
export function afterAdam(rate: number): GoldenTolerance {
  return absolute(0.01 * rate);
}
