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
    gradient: relative(1e-4),
    networkOutput: relative(2e-6),
    networkInputGradient: relative(5e-6),
    networkParameterGradient: relative(1e-5),
    chain: relative(2e-5),
    /** Inside the clamp region −5 … 2. */
    logProb: absolute(5e-4),
    /** Parameters and moments after steps on given gradients. */
    optimizer: relative(2e-6),
    /** Parameters after steps on gradients of our own, elements with next to no gradient left out. */
    afterAdam: relative(1e-5),
    loss: relative(1e-3),
    /** For losses and statistics whose true value may be next to nothing: a mean of ratios around 1. */
    statistic: absolute(1e-3),
    actorGradient: vector(1e-3),
    /** Pure functions of the host, in 64 bits. */
    host: relative(1e-12),
  },
  alignment: {
    loss: absolute(1e-5),
    logProb: absolute(1e-4),
    gradient: relative(5e-4),
    forward: relative(1e-5),
  },
} as const;
