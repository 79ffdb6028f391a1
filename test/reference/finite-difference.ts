/**
 * The gradient of `f` with respect to `values`, by central differences of width `h`. `f` reads `values` anew; they are
 * put back. Good to about h² and 1e-16/h, so compare to 1e-8 or so.
 */
export function differences(f: () => number, values: Float64Array, h = 1e-6): Float64Array {
  return Float64Array.from(values, (value, i) => {
    values[i] = value + h;
    const above = f();
    values[i] = value - h;
    const below = f();
    values[i] = value;
    return (above - below) / (2 * h);
  });
}
