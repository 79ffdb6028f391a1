import { activations } from "./activations.ts";

const { value: softplus, slope: sigmoid } = activations.softplus;

/** How pairs labelled equal (−1) count: not at all, as half a win each, or as a third outcome. */
export type TieRule =
  | { readonly kind: "drop"; readonly smoothing: number }
  | { readonly kind: "half"; readonly smoothing: number }
  | { readonly kind: "davidson"; readonly logNu: number };

/** Loss and gradients of {@link bradleyTerry}; `dlogNu` is 0 but for davidson. */
export interface BradleyTerryResult {
  readonly loss: number;
  readonly dr0: Float64Array;
  readonly dr1: Float64Array;
  readonly dlogNu: number;
}

/**
 * Preference loss on segment scores r0, r1 with labels y (0: first better, 1: second better, −1: tie).
 *
 * drop, half: cross-entropy of P(1) = sigmoid(r1 − r0) with target y, smoothed to (1 − s)y + s(1 − y); a tie has the
 * target ½ (half), or no place in the mean (drop).
 * davidson: P(1) = e^{r1}/Z, P(0) = e^{r0}/Z, P(tie) = ν e^{(r0 + r1)/2}/Z, all pairs count.
 */
export function bradleyTerry(
  r0: ArrayLike<number>,
  r1: ArrayLike<number>,
  y: ArrayLike<number>,
  rule: TieRule,
): BradleyTerryResult {
  const n = y.length;
  const dr0 = new Float64Array(n);
  const dr1 = new Float64Array(n);
  let loss = 0;
  let dlogNu = 0;
  const counted = rule.kind === "drop" ? Array.from(y).filter((label) => label >= 0).length : n;
  for (let i = 0; i < n; i++) {
    if (rule.kind === "davidson") {
      const scores = [r0[i]!, r1[i]!, rule.logNu + (r0[i]! + r1[i]!) / 2];
      const top = Math.max(...scores);
      const logZ = top + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0));
      const [p0, p1, pTie] = scores.map((score) => Math.exp(score - logZ)) as [number, number, number];
      const outcome = y[i] === -1 ? 2 : y[i]!;
      loss += (logZ - scores[outcome]!) / n;
      const is = (label: number): number => (outcome === label ? 1 : 0);
      const dTie = pTie - is(2);
      dr0[i] = (p0 - is(0) + dTie / 2) / n;
      dr1[i] = (p1 - is(1) + dTie / 2) / n;
      dlogNu += dTie / n;
      continue;
    }
    if (y[i] === -1 && rule.kind === "drop") continue;
    const target = y[i] === -1 ? 0.5 : y[i]! * (1 - rule.smoothing) + (1 - y[i]!) * rule.smoothing;
    const d = r1[i]! - r0[i]!;
    loss += (target * softplus(-d) + (1 - target) * softplus(d)) / counted;
    dr1[i] = (sigmoid(d) - target) / counted;
    dr0[i] = -dr1[i]!;
  }
  return { loss, dr0, dr1, dlogNu };
}

/** Share of strict pairs whose scores point the way of the label. */
export function preferenceAccuracy(r0: ArrayLike<number>, r1: ArrayLike<number>, y: ArrayLike<number>): number {
  let strict = 0;
  let right = 0;
  for (let i = 0; i < y.length; i++) {
    if (y[i] === -1) continue;
    strict++;
    if ((r1[i]! > r0[i]!) === (y[i] === 1)) right++;
  }
  return right / strict;
}

/** Population deviation of P(1) over members, per pair. `scores` are [member][pair] differences R1 − R0. */
export function disagreement(scores: readonly ArrayLike<number>[]): Float64Array {
  const M = scores.length;
  return Float64Array.from({ length: scores[0]!.length }, (_, i) => {
    const p = scores.map((member) => sigmoid(member[i]!));
    const mean = p.reduce((sum, value) => sum + value, 0) / M;
    return Math.sqrt(p.reduce((sum, value) => sum + (value - mean) ** 2, 0) / M);
  });
}

/** −p ln p − (1 − p) ln(1 − p). */
export function binaryEntropy(p: number): number {
  return p === 0 || p === 1 ? 0 : -p * Math.log(p) - (1 - p) * Math.log(1 - p);
}
