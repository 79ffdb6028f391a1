import { measure } from "../close.ts";
import { failedRow, judgedRow, unreadRow, type GoldenRow } from "./row.ts";
import type { GoldenTolerance } from "./tolerances.ts";

/** Collects what one file gave on one engine: the worst error of every quantity, and what no reader could read. */
export class GoldenComparison {
  readonly #file: string;
  readonly #engine: string;
  readonly #rows = new Map<string, GoldenRow>();
  readonly #unread = new Map<string, string>();

  constructor(file: string, engine: string) {
    this.#file = file;
    this.#engine = engine;
  }

  /** Compares one tensor; the row of its quantity keeps the worst of all. `place` says which case it was. */
  add(
    quantity: string,
    got: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance: GoldenTolerance,
    place: string,
  ): void {
    const worst = errorOf(got, expected, tolerance);
    const before = this.#rows.get(quantity);
    if (before !== undefined && before.worst / before.tolerance >= worst / tolerance.limit) return;
    this.#rows.set(quantity, judgedRow(this.#file, this.#engine, quantity, worst, tolerance.limit, place));
  }

  /**
   * Compares many tensors of one backward pass. A parameter whose true gradient is zero shows rounding noise alone: it
   * is measured against the largest gradient of the pass, or absolutely where all of them are zero (a loss that is
   * saturated everywhere).
   */
  addGradients(
    quantity: string,
    got: ReadonlyMap<string, ArrayLike<number>>,
    expected: ReadonlyMap<string, ArrayLike<number>>,
    tolerance: GoldenTolerance,
    place: string,
  ): void {
    const absent = [...expected.keys()].filter((name) => !got.has(name));
    if (absent.length > 0) {
      this.add(quantity, [], [1], tolerance, `${place}: nothing for ${absent.join(", ")}`);
      return;
    }
    const largest = Math.max(...[...expected.values()].map(largestMagnitude));
    if (largest < nothing) {
      for (const [name, values] of expected) this.add(`${quantity} that is zero`, got.get(name)!, values, zeroGradient, `${place} ${name}`);
      return;
    }
    if (tolerance.kind === "vector") {
      const names = [...expected.keys()];
      const all = (of: ReadonlyMap<string, ArrayLike<number>>): number[] => names.flatMap((name) => [...Array.from(of.get(name)!)]);
      this.add(quantity, all(got), all(expected), tolerance, place);
      return;
    }
    for (const [name, values] of expected) {
      const isZero = largestMagnitude(values) < 1e-9 * largest;
      const scale = isZero ? largest : 1;
      const scaled = (of: ArrayLike<number>): Float64Array => Float64Array.from(of, (value) => value / scale);
      const kind = isZero ? "absolute" : tolerance.kind;
      this.add(quantity, scaled(got.get(name)!), scaled(values), { ...tolerance, kind }, `${place} ${name}`);
    }
  }

  /** Something that is in the file and that nothing here can read. It is listed and never counts as passed. */
  unread(what: string, reason: string): void {
    this.#unread.set(what, reason);
  }

  /** The reader gave up: the file is damaged, or something in it is not as expected. */
  failed(error: unknown): void {
    const row = failedRow(this.#file, this.#engine, error);
    this.#rows.set(row.quantity, row);
  }

  /** The rows; those of `unread` have no tolerance and did not pass. */
  rows(): GoldenRow[] {
    const unread = [...this.#unread].map(([what, reason]) => unreadRow(this.#file, this.#engine, what, reason));
    return [...this.#rows.values(), ...unread];
  }
}

/** A gradient in 64 bits that is this small is a sum that cancels. */
const nothing = 1e-12;
const zeroGradient: GoldenTolerance = { kind: "absolute", limit: 1e-8 };

function errorOf(got: ArrayLike<number>, expected: ArrayLike<number>, { kind }: GoldenTolerance): number {
  if (kind === "vector") return vectorError(got, expected);
  const { absolute, relative } = measure(got, expected, {});
  return kind === "relative" ? relative : absolute;
}

function vectorError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Infinity;
  let error = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    error += (got[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  const ratio = size > 0 ? Math.sqrt(error / size) : Math.sqrt(error);
  return Number.isNaN(ratio) ? Infinity : ratio;
}

function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}
