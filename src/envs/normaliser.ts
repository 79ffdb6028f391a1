import { DifftuneError } from "../core/errors.js";

/** Smallest and largest value of each coordinate over a data set. */
export interface Extrema {
  readonly min: readonly number[];
  readonly max: readonly number[];
}

/** The statistics that normalisation rests on; they travel with the data set and with the policy. */
export interface DataStatistics {
  readonly observations: Extrema;
  readonly actions: Extrema;
}

/**
 * How numbers are brought to [-1, 1]. With m, M the extrema of a coordinate:
 * - `dppo`: 2 (x - m) / (M - m + 1e-6) - 1 for observations and recorded actions; back: (a + 1)/2 (M - m) + m.
 * - `furniture`: 2 (x - m) / (M - m) - 1, a constant coordinate widened by 1 to both sides; normalised observations are
 *   clamped to [-5, 5].
 * - `diffusionPolicy`: 2 (x - m) / (M - m) - 1; a coordinate with M - m < 1e-4 is only shifted by its minimum, so that it becomes -1.
 */
export type NormaliserKind = "dppo" | "furniture" | "diffusionPolicy";

const observationClamp = 5;
const constantRange = 1e-4;
const dppoEpsilon = 1e-6;

/**
 * The extrema of the columns of a table.
 *
 * @param values [rows, width], row by row
 * @param includeZero also counts a zero in every column, as the first release of DPPO did
 */
export function extremaOf(values: ArrayLike<number>, width: number, includeZero = false): Extrema {
  if (width < 1 || values.length === 0 || values.length % width !== 0) {
    throw new DifftuneError("SHAPE", `${values.length} numbers are no table of ${width} columns.`, { expected: width, got: values.length });
  }
  const min = Array.from({ length: width }, () => (includeZero ? 0 : Number.POSITIVE_INFINITY));
  const max = Array.from({ length: width }, () => (includeZero ? 0 : Number.NEGATIVE_INFINITY));
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      throw new DifftuneError("FORMAT", `Row ${Math.floor(index / width)}, column ${index % width} is ${value}.`, {
        hint: "Statistics need finite numbers.",
        index,
        got: value,
      });
    }
    const column = index % width;
    if (value < (min[column] ?? 0)) min[column] = value;
    if (value > (max[column] ?? 0)) max[column] = value;
  }
  return { min, max };
}

/** The map of one group of coordinates, as y = x * scale + offset and back x = y * backScale + backOffset. */
class AffineMap {
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  readonly backScale: Float64Array;
  readonly backOffset: Float64Array;

  constructor(extrema: Extrema, kind: NormaliserKind, group: string) {
    const { min, max } = extrema;
    if (min.length === 0 || min.length !== max.length) {
      throw new DifftuneError("SHAPE", `The ${group} statistics have ${min.length} minima and ${max.length} maxima.`, { path: group });
    }
    this.scale = new Float64Array(min.length);
    this.offset = new Float64Array(min.length);
    this.backScale = new Float64Array(min.length);
    this.backOffset = new Float64Array(min.length);
    for (const [place, lowest] of min.entries()) {
      const highest = max[place] ?? Number.NaN;
      if (!Number.isFinite(lowest) || !Number.isFinite(highest) || lowest > highest) {
        throw new DifftuneError("FORMAT", `The ${group} statistics of column ${place} are ${lowest} and ${highest}.`, {
          hint: "The minimum must be a finite number at most the maximum.",
          path: group,
          index: place,
          got: [lowest, highest],
        });
      }
      let m = lowest;
      let range = highest - lowest;
      let divisor = range;
      if (kind === "dppo") {
        divisor = range + dppoEpsilon;
      } else if (kind === "furniture" && range === 0) {
        m = lowest - 1;
        range = divisor = 2;
      } else if (kind === "diffusionPolicy" && range < constantRange) {
        range = divisor = 2;
      }
      this.scale[place] = 2 / divisor;
      this.offset[place] = -1 - (2 * m) / divisor;
      this.backScale[place] = range / 2;
      this.backOffset[place] = m + range / 2;
    }
  }
}

/** Brings observations and actions to [-1, 1] and back, with the statistics of the data that a policy was trained on. */
export class Normaliser {
  readonly kind: NormaliserKind;
  readonly statistics: DataStatistics;
  readonly #observations: AffineMap;
  readonly #actions: AffineMap;

  constructor(statistics: DataStatistics, kind: NormaliserKind = "dppo") {
    this.kind = kind;
    this.statistics = statistics;
    this.#observations = new AffineMap(statistics.observations, kind, "observations");
    this.#actions = new AffineMap(statistics.actions, kind, "actions");
  }

  /** Numbers in one observation. */
  get observationSize(): number {
    return this.#observations.scale.length;
  }

  /** Numbers in one action. */
  get actionSize(): number {
    return this.#actions.scale.length;
  }

  /** Observations of any number of rows; `output` may be `input`. */
  normaliseObservations(input: Float32Array, output: Float32Array): void {
    applyMap(input, output, this.#observations.scale, this.#observations.offset);
    if (this.kind !== "furniture") return;
    for (let index = 0; index < output.length; index++) {
      output[index] = Math.min(Math.max(output[index] ?? 0, -observationClamp), observationClamp);
    }
  }

  /** Recorded actions to [-1, 1]; `output` may be `input`. */
  normaliseActions(input: Float32Array, output: Float32Array): void {
    applyMap(input, output, this.#actions.scale, this.#actions.offset);
  }

  /** A policy's actions back to physical units; `output` may be `input`. */
  restoreActions(input: Float32Array, output: Float32Array): void {
    applyMap(input, output, this.#actions.backScale, this.#actions.backOffset);
  }

  /** Normalised observations back to physical units; `output` may be `input`. */
  restoreObservations(input: Float32Array, output: Float32Array): void {
    const { scale, offset } = this.#observations;
    checkRows(input, output, scale.length);
    for (let index = 0; index < input.length; index++) {
      const place = index % scale.length;
      output[index] = ((input[index] ?? 0) - (offset[place] ?? 0)) / (scale[place] ?? 1);
    }
  }

  /** Scale and offset of every observation coordinate, for kernels that fuse y = x * scale + offset. */
  get observationMap(): { readonly scale: Float64Array; readonly offset: Float64Array } {
    return this.#observations;
  }

  /** Scale and offset that restore actions: a = y * scale + offset. */
  get actionMap(): { readonly scale: Float64Array; readonly offset: Float64Array } {
    return { scale: this.#actions.backScale, offset: this.#actions.backOffset };
  }
}

function checkRows(input: Float32Array, output: Float32Array, width: number): void {
  if (input.length % width !== 0 || input.length !== output.length) {
    throw new DifftuneError("SHAPE", `${input.length} numbers into ${output.length} are no rows of ${width}.`, {
      expected: width,
      got: [input.length, output.length],
    });
  }
}

function applyMap(input: Float32Array, output: Float32Array, scale: Float64Array, offset: Float64Array): void {
  const width = scale.length;
  checkRows(input, output, width);
  let place = 0;
  for (let index = 0; index < input.length; index++) {
    output[index] = (input[index] ?? 0) * (scale[place] ?? 0) + (offset[place] ?? 0);
    place += 1;
    if (place === width) place = 0;
  }
}
