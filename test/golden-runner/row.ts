/** One line of the golden report: how far one quantity of one file is from the reference. */
export interface GoldenRow {
  /** The golden file or trace. */
  readonly file: string;
  /** What was run: an engine, a collision path, a level of a model. */
  readonly engine: string;
  /** What was compared, or, where nothing was, what could not be. */
  readonly quantity: string;
  /** Largest error seen, in the quantity's own unit. */
  readonly worst: number;
  readonly tolerance: number;
  /** False as well for what was not compared. */
  readonly passed: boolean;
  /** False for what is there, or should be, and could not be compared. */
  readonly compared: boolean;
  /** What a number does not say, such as whether every bit was equal, or why nothing was compared. */
  readonly note?: string;
}

/** A quantity that was compared. An error that is no number is beyond every tolerance. */
export function judgedRow(
  file: string, engine: string, quantity: string, error: number, tolerance: number, note?: string,
): GoldenRow {
  const worst = Number.isNaN(error) ? Infinity : error;
  return { file, engine, quantity, worst, tolerance, passed: worst <= tolerance, compared: true, ...(note === undefined ? {} : { note }) };
}

/** Something that could not be compared, and why: listed, neither passed nor failed. */
export function unreadRow(file: string, engine: string, what: string, reason: string): GoldenRow {
  return { file, engine, quantity: what, worst: 0, tolerance: 0, passed: false, compared: false, note: reason };
}

/** Something damaged, or not as expected; what was thrown says how. */
export function failedRow(file: string, engine: string, error: unknown): GoldenRow {
  return judgedRow(file, engine, error instanceof Error ? error.message : String(error), Infinity, 0, "the reader gave up");
}

/** Whether a row only says that something could not be compared. */
export function isUnread(row: GoldenRow): boolean {
  return !row.compared;
}
