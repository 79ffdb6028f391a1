/** One line of the golden report: how far one quantity of one file is from the reference. */
export interface GoldenRow {
  /** The golden file or trace. */
  readonly file: string;
  /** What was run: an engine, a collision path, a level of a model. */
  readonly engine: string;
  readonly quantity: string;
  /** Largest error seen, in the quantity's own unit. */
  readonly worst: number;
  readonly tolerance: number;
  readonly passed: boolean;
  /** What a number does not say, such as whether every bit was equal, or why a file was skipped. */
  readonly note?: string;
}
