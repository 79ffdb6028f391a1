// Start of a Push-T episode as the public environments draw it from a seed.
import { drawInteger, drawNormal } from "../physics/mersenne-twister";

/** Draws agent x, y, block x, y and angle into `out`, f64 x 5. The angle is normal with deviation 2 pi, not uniform. */
export function drawStart(stream: usize, out: usize): void {
  store<f64>(out, <f64>drawInteger(stream, 50, 450));
  store<f64>(out, <f64>drawInteger(stream, 50, 450), 8);
  store<f64>(out, <f64>drawInteger(stream, 100, 400), 16);
  store<f64>(out, <f64>drawInteger(stream, 100, 400), 24);
  store<f64>(out, drawNormal(stream) * 2.0 * Math.PI - Math.PI, 32);
}
