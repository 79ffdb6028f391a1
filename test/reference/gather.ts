/** out[i] = source[index[i]], for rows of `width` elements. */
export function gatherRows(source: ArrayLike<number>, index: ArrayLike<number>, width: number): Float64Array {
  const out = new Float64Array(index.length * width);
  for (let i = 0; i < index.length; i++) {
    for (let c = 0; c < width; c++) out[i * width + c] = source[index[i]! * width + c]!;
  }
  return out;
}
