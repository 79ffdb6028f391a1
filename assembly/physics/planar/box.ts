// Boxes in memory: left, bottom, right, top, f64 each.

/** Whether two boxes (left, bottom, right, top) meet; touching counts. */
// @ts-ignore: decorator
@inline
export function overlap(a: usize, b: usize): bool {
  return load<f64>(a) <= load<f64>(b, 16) && load<f64>(b) <= load<f64>(a, 16)
    && load<f64>(a, 8) <= load<f64>(b, 24) && load<f64>(b, 8) <= load<f64>(a, 24);
}
