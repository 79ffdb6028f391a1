// Entry of a module that only the tests of the arm are built with: parts of the arm that the environments never call alone.
export { locateTool } from "../physics/arm-contact";
export { beginInterval } from "../physics/arm";
export { advanceReference } from "../physics/arm-reference";
export { generalVelocity } from "../physics/arm-reference-general";
export * from "../physics/arm-lanes";
import { composites, inwards, outwards, solve } from "../physics/arm-dynamics";
import { sinCos } from "../physics/arm-trigonometry";

/** Torques of seven v128 at `torques`. */
export function accelerateWith(at: usize, torques: usize): void {
  outwards(at);
  inwards(at);
  composites(at);
  solve(
    at, v128.load(torques), v128.load(torques, 16), v128.load(torques, 32), v128.load(torques, 48), v128.load(torques, 64),
    v128.load(torques, 80), v128.load(torques, 96),
  );
}

/** Sines and cosines of the two numbers at `x`. */
export function sineCosineOf(x: usize, sines: usize, cosines: usize): void {
  sinCos(v128.load(x), sines, cosines);
}
