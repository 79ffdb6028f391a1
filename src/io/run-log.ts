import { DifftuneError } from "../core/errors.js";

/** One line of a run's log: what happened, and its numbers by their stable names. */
export interface RunRecord {
  /** `iteration`, `epoch`, `evaluation`. */
  readonly event: string;
  readonly [name: string]: unknown;
}

/** A log as far as it can be read. */
export interface RunLog {
  readonly records: readonly RunRecord[];
  /** Whether the writer was killed within the last line, which is left out. */
  readonly isTorn: boolean;
}

/** One line of JSON with its line feed. Numbers that are not finite are left out: in a log what is missing is absent, never NaN. */
export function encodeRecord(record: RunRecord): string {
  return `${JSON.stringify(record, (_, value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? undefined : value))}\n`;
}

/**
 * Reads a log of JSON lines. A last line without its line feed is what a kill in the middle of writing leaves, and is left out;
 * any other line that is no record is a `FORMAT` error with its number.
 */
export function parseRunLog(text: string): RunLog {
  const lines = text.split("\n");
  const last = lines.pop() ?? "";
  return { records: lines.map((line, index) => parseRecord(line, index + 1)), isTorn: last !== "" };
}

function parseRecord(line: string, number: number): RunRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new DifftuneError("FORMAT", `Line ${number} of the log is no JSON.`, { index: number, cause });
  }
  if (!isRecord(value)) throw new DifftuneError("FORMAT", `Line ${number} of the log is no object with an "event".`, { index: number });
  return value;
}

function isRecord(value: unknown): value is RunRecord {
  return typeof value === "object" && value !== null && "event" in value && typeof value.event === "string";
}

/** Where in its run a record belongs: its iteration, or in pre-training its gradient step; undefined where it tells none. */
export function placeOf({ event, iteration, step, when }: RunRecord): number | "before" | "after" | undefined {
  const place = event === "evaluation" ? when : event === "epoch" ? step : iteration;
  return typeof place === "number" || place === "before" || place === "after" ? place : undefined;
}

/**
 * What a log keeps when its run goes on from a checkpoint: everything up to and including the place `last`, so that what is now
 * done again does not stand there twice.
 */
export function cutRunLog(records: readonly RunRecord[], last: number): readonly RunRecord[] {
  return records.filter((record) => {
    const place = placeOf(record);
    // An evaluation "after" belongs to the end that the run had and will have anew.
    return place === undefined || place === "before" || (place !== "after" && place <= last);
  });
}
