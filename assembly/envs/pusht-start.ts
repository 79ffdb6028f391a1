// Starts of a Push-T episode, drawn from a seed: as the public environments draw them, or near given ones.
import { drawInteger, drawNormal, drawUniform } from "../physics/mersenne-twister";

/** Draws agent x, y, block x, y and angle into `out`, f64 x 5. The angle is normal with deviation 2 pi, not uniform. */
export function drawStart(stream: usize, out: usize): void {
  store<f64>(out, <f64>drawInteger(stream, 50, 450));
  store<f64>(out, <f64>drawInteger(stream, 50, 450), 8);
  store<f64>(out, <f64>drawInteger(stream, 100, 400), 16);
  store<f64>(out, <f64>drawInteger(stream, 100, 400), 24);
  store<f64>(out, drawNormal(stream) * 2.0 * Math.PI - Math.PI, 32);
}

/** Draws one of the `count` starts at `starts`, f64 x 5 each, all alike: its places moved by up to `jitter` px each way, its angle by up to `turn`. */
export function drawStartNear(stream: usize, starts: usize, count: u32, jitter: f64, turn: f64, out: usize): void {
  const start = starts + <usize>(<u32>(drawUniform(stream) * <f64>count)) * 40;
  for (let place: usize = 0; place < 4; place++) {
    store<f64>(out + (place << 3), load<f64>(start + (place << 3)) + jitter * (2.0 * drawUniform(stream) - 1.0));
  }
  store<f64>(out, load<f64>(start, 32) + turn * (2.0 * drawUniform(stream) - 1.0), 32);
}
