import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { wholeNumber } from "../core/options.js";

/** Which of two segments is better: the first (0), the second (1), or none (−1). */
export type PreferenceLabel = 0 | 1 | -1;

/** Where the two segments of a pair were seen: episode, and environment step of their first state. */
export interface PairSource {
  readonly episode0: number;
  readonly step0: number;
  readonly episode1: number;
  readonly step1: number;
}

/** A labelled pair of segments of H states each. An answer "cannot tell" is no pair: it is not stored. */
export interface PreferencePair {
  /** Unique within its store. */
  readonly id: number;
  /** H, states of either segment. */
  readonly horizon: number;
  /** Reward features of the first segment [H, D]. */
  readonly features0: Float32Array;
  readonly features1: Float32Array;
  /** Raw states [H, S], so that features can be computed anew. */
  readonly states0: Float32Array;
  readonly states1: Float32Array;
  readonly label: PreferenceLabel;
  readonly source: PairSource;
  /** `human`, or the name of a scripted annotator. */
  readonly annotator: string;
  /** Round of queries in which the pair was drawn, from 0. */
  readonly round: number;
  /** When it was answered, milliseconds since 1970; a record, never an input of a computation. */
  readonly timestampMs: number;
  /** Id of the pair that this one asked again, with the segments in the other order on the screen. */
  readonly repeatOf?: number;
}

/** Names of the columns of a store's segments. */
export interface PairColumns {
  /** D reward features. */
  readonly features: readonly string[];
  /** S numbers of a raw state. */
  readonly states: readonly string[];
}

/** A store as far as it is whole. */
export interface StoredPairs {
  readonly columns: PairColumns;
  /** In the order in which they were answered; what was undone is left out. */
  readonly pairs: readonly PreferencePair[];
  /** Smallest id that no pair ever had, undone ones included. */
  readonly nextId: number;
  /** Whether the writer was stopped in the middle of an answer, which is left out. */
  readonly isTorn: boolean;
  /** Bytes of whole lines: a writer cuts both files to these lengths before it appends. */
  readonly lineBytes: number;
  readonly segmentBytes: number;
}

const formatName = "difftune-pairs";
const formatVersion = 1;
const names = v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1), v.maxLength(4096));
const id = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const headerSchema = v.strictObject({ format: v.literal(formatName), version: v.literal(formatVersion), features: names, states: names });
const pairSchema = v.strictObject({
  pair: id,
  label: v.picklist([0, 1, -1]),
  horizon: wholeNumber(1, 1_000_000),
  offset: id,
  checksum: wholeNumber(0, 0xffffffff),
  source: v.strictObject({ episode0: id, step0: id, episode1: id, step1: id }),
  annotator: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  round: id,
  timestampMs: v.pipe(v.number(), v.finite()),
  repeatOf: v.optional(id),
});
const lineSchema = v.union([pairSchema, v.strictObject({ undo: id })]);

/**
 * The first line of a new store. A store is two files that only grow:
 *
 * - **lines**: JSON lines. First this header with the names of all columns; then a line for each answer, in order:
 *   `{"pair", "label", "horizon", "offset", "checksum", "source", "annotator", "round", "timestampMs", "repeatOf"?}`, or
 *   `{"undo": id}`, which takes an earlier pair back.
 * - **segments**: binary. From byte `offset` on the features of the first and second segment [H, D], then their raw states
 *   [H, S], all 32-bit floats, little-endian, no gaps. `checksum` is the FNV-1a hash of these bytes.
 *
 * Write the segments of an answer first, then its line: a line whose line feed is there is a whole answer, whenever the
 * writer was stopped.
 */
export function encodePairHeader(columns: PairColumns): string {
  return encodeLine(headerSchema, { format: formatName, version: formatVersion, features: [...columns.features], states: [...columns.states] });
}

/** What an answer appends to the two files of a store, see {@link encodePairHeader}. `offset` is the length of the segments so far. */
export function encodePair(columns: PairColumns, pair: PreferencePair, offset: number): { readonly line: string; readonly segments: Uint8Array } {
  const { horizon, features0, features1, states0, states1, id, ...rest } = pair;
  const parts = [features0, features1, states0, states1];
  const widths = segmentWidths(columns);
  for (const [place, values] of parts.entries()) {
    const expected = horizon * widths[place]!;
    if (values.length !== expected) {
      throw new DifftuneError("SHAPE", `Pair ${id} has ${values.length} numbers where ${horizon} states of ${widths[place]!} have ${expected}.`, {
        index: id, expected, got: values.length,
      });
    }
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad !== -1) throw new DifftuneError("FORMAT", `Pair ${id} holds ${values[bad]!}; states and features are finite.`, { index: id, got: values[bad] });
  }
  const segments = new Uint8Array(4 * horizon * widths.reduce((sum, width) => sum + width, 0));
  const view = new DataView(segments.buffer);
  let at = 0;
  for (const values of parts) for (const value of values) view.setFloat32((at++) * 4, value, true);
  return { line: encodeLine(pairSchema, { pair: id, horizon, offset, checksum: checksumOf(segments), ...rest }), segments };
}

/** The line that takes a pair back. */
export function encodeUndo(id: number): string {
  return `${JSON.stringify({ undo: id })}\n`;
}

/**
 * Reads the two files of a store. What a kill has left at their ends is left out; anything else that does not fit, pairs
 * that stand twice and files of different stores among it, is a `FORMAT` error with its line.
 */
export function readPairs(lines: Uint8Array, segments: Uint8Array): StoredPairs {
  const lineBytes = lines.lastIndexOf(10) + 1;
  const texts = decodeText(lines.subarray(0, lineBytes)).split("\n").slice(0, -1);
  const [header, ...answers] = texts;
  if (header === undefined) {
    throw new DifftuneError("FORMAT", "The label file is empty: it has no header.", { hint: "Start a new one.", index: 1 });
  }
  const columns = parseLine(headerSchema, header, 1);
  const stateFloats = 2 * (columns.features.length + columns.states.length);
  const kept = new Map<number, PreferencePair>();
  const known = new Set<number>();
  let segmentBytes = 0;
  for (const [index, text] of answers.entries()) {
    const number = index + 2;
    const line = parseLine(lineSchema, text, number);
    if ("undo" in line) {
      if (!kept.delete(line.undo)) throw fault(`takes back pair ${line.undo}, which is not there`, number);
      continue;
    }
    const { pair: id, offset, checksum, repeatOf, ...rest } = line;
    if (known.has(id)) throw fault(`labels pair ${id} a second time`, number, "Take it back with an undo first, and give the new label a new id.");
    if (offset !== segmentBytes) throw fault(`has its segments at byte ${offset}; those before it end at ${segmentBytes}`, number);
    const end = offset + 4 * line.horizon * stateFloats;
    if (end > segments.length) throw fault(`has segments up to byte ${end}; the segment file has ${segments.length}`, number, "Give the segment file that belongs to these labels.");
    const bytes = segments.subarray(offset, end);
    if (checksumOf(bytes) !== checksum) throw fault(`has segments that are not those it was written with`, number, "Give the segment file that belongs to these labels.");
    known.add(id);
    kept.set(id, { id, ...rest, ...decodeSegments(bytes, line.horizon, columns), ...(repeatOf === undefined ? {} : { repeatOf }) });
    segmentBytes = end;
  }
  return {
    columns: { features: columns.features, states: columns.states },
    pairs: [...kept.values()],
    nextId: [...known].reduce((next, each) => Math.max(next, each + 1), 0),
    isTorn: lineBytes < lines.length || segmentBytes < segments.length,
    lineBytes,
    segmentBytes,
  };
}

function segmentWidths({ features, states }: PairColumns): readonly number[] {
  return [features.length, features.length, states.length, states.length];
}

function decodeSegments(bytes: Uint8Array, horizon: number, columns: PairColumns): Pick<PreferencePair, "features0" | "features1" | "states0" | "states1"> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const [features0, features1, states0, states1] = segmentWidths(columns).map((width) =>
    Float32Array.from({ length: horizon * width }, () => view.getFloat32((at++) * 4, true)));
  return { features0: features0!, features1: features1!, states0: states0!, states1: states1! };
}

function encodeLine<Schema extends v.GenericSchema>(schema: Schema, value: v.InferInput<Schema>): string {
  const checked = v.safeParse(schema, value);
  if (!checked.success) {
    const [issue] = checked.issues;
    throw new DifftuneError("FORMAT", `"${v.getDotPath(issue) ?? ""}" cannot be stored: ${issue.message}`, { got: issue.input });
  }
  return `${JSON.stringify(checked.output)}\n`;
}

function parseLine<Schema extends v.GenericSchema>(schema: Schema, text: string, number: number): v.InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DifftuneError("FORMAT", `Line ${number} of the labels is no JSON.`, { index: number, cause });
  }
  const checked = v.safeParse(schema, value);
  if (checked.success) return checked.output;
  throw new DifftuneError("FORMAT", `Line ${number} of the labels is no ${number === 1 ? "header of this format" : "answer"}.`, {
    index: number, cause: checked.issues,
  });
}

function fault(what: string, number: number, hint?: string): DifftuneError {
  return new DifftuneError("FORMAT", `Line ${number} of the labels ${what}.`, { index: number, ...(hint === undefined ? {} : { hint }) });
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DifftuneError("FORMAT", "The labels are no text in UTF-8.", { cause });
  }
}

/** FNV-1a, 32 bits. */
function checksumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
