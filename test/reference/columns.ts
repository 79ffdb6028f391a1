/** Joins parts [B, C_k] side by side: out[b] = [part_0[b], part_1[b], …]. */
export function concatColumns(parts: readonly ArrayLike<number>[], widths: readonly number[], B: number): Float64Array {
  const width = widths.reduce((sum, w) => sum + w, 0);
  const out = new Float64Array(B * width);
  for (let b = 0; b < B; b++) {
    let column = 0;
    for (const [k, part] of parts.entries()) {
      for (let c = 0; c < widths[k]!; c++) out[b * width + column++] = part[b * widths[k]! + c]!;
    }
  }
  return out;
}

/** The reverse of {@link concatColumns}. */
export function splitColumns(x: ArrayLike<number>, widths: readonly number[], B: number): Float64Array[] {
  const width = widths.reduce((sum, w) => sum + w, 0);
  let start = 0;
  return widths.map((w) => {
    const part = new Float64Array(B * w);
    for (let b = 0; b < B; b++) for (let c = 0; c < w; c++) part[b * w + c] = x[b * width + start + c]!;
    start += w;
    return part;
  });
}
