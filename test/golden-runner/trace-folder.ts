import { readFileSync } from "node:fs";
import { getDotPath, safeParse, type GenericSchema, type InferOutput } from "valibot";
import { failedRow, type GoldenRow } from "./row.ts";

/** The rows of a file of float64, little-endian, `width` numbers each, one after the other. */
export function readDoubles(file: string, width: number): Float64Array {
  const bytes = readFileSync(file);
  if (bytes.length % (8 * width) !== 0) throw new RangeError(`${bytes.length} bytes are no whole number of rows of ${width} float64`);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** The value of a JSON file, not yet looked at. */
export function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8")) as unknown;
}

/** The value in the form of the schema; where it is not, the error names the first place that differs. */
export function inForm<Schema extends GenericSchema>(schema: Schema, value: unknown): InferOutput<Schema> {
  const result = safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = getDotPath(issue);
  throw new RangeError(place === null ? issue.message : `${place}: ${issue.message}`);
}

/**
 * The rows of one piece of a folder. What is thrown becomes a failed row, so that one damaged piece does not take the report
 * of the others along.
 */
export function guarded(file: string, engine: string, compare: () => readonly GoldenRow[]): readonly GoldenRow[] {
  try {
    return compare();
  } catch (error) {
    return [failedRow(file, engine, error)];
  }
}
