#!/usr/bin/env node
/**
 * Writes assembly/physics/sine-table.ts: sine and cosine of k/128 for k = 0..110, each as the sum of two doubles.
 * The values come from the power series in fixed-point integers of 256 fractional bits, so every bit is certain.
 */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const fractionBits = 256n;
const one = 1n << fractionBits;
const lastEntry = 110;

/** Sum of x^i/i! (-1)^(i/2) over i = first, first + 2, … */
function series(x, first) {
  let term = first === 0n ? one : x;
  let sum = term;
  for (let i = first + 1n; term !== 0n; i += 2n) {
    term = (((-term * x) >> fractionBits) * x >> fractionBits) / (i * (i + 1n));
    sum += term;
  }
  return sum;
}

/** Nearest double of a fixed-point number, and the fixed-point value of that double. */
function nearestDouble(value) {
  if (value === 0n) return [0, 0n];
  const magnitude = value < 0n ? -value : value;
  const shift = BigInt(magnitude.toString(2).length) - 53n;
  let mantissa = magnitude;
  if (shift > 0n) {
    mantissa = magnitude >> shift;
    const rest = magnitude - (mantissa << shift);
    const half = 1n << (shift - 1n);
    if (rest > half || (rest === half && mantissa % 2n === 1n)) mantissa += 1n;
  }
  const exact = shift > 0n ? mantissa << shift : mantissa;
  const double = Number(mantissa) * 2 ** Number((shift > 0n ? shift : 0n) - fractionBits);
  return value < 0n ? [-double, -exact] : [double, exact];
}

/** The digits that read back as the same double; -0.0 and whole numbers keep a point, so that they are f64 literals. */
function literal(double) {
  const text = String(double);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

const rows = [];
for (let k = 0; k <= lastEntry; k += 1) {
  const x = (BigInt(k) * one) / 128n;
  const numbers = [series(x, 1n), series(x, 0n)].flatMap((value) => {
    const [high, exact] = nearestDouble(value);
    return [high, nearestDouble(value - exact)[0]];
  });
  rows.push(`  ${numbers.map(literal).join(", ")},`);
}
const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "../assembly/physics/sine-table.ts");
await writeFile(file, `// Made by scripts/sine-table.mjs. Do not edit.
// Row k: sine of k/128 as a double and its remainder, cosine of k/128 as a double and its remainder.
export const SINE_TABLE: usize = memory.data<f64>([
${rows.join("\n")}
]);
`);
