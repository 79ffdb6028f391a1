import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodePair, encodePairHeader, encodeUndo, readPairs, type PairColumns, type PreferencePair,
} from "../../src/preference/pair-store.js";
import { PhiloxStream } from "../../src/core/philox.js";

const columns: PairColumns = { features: ["x", "y"], states: ["agentX", "agentY", "größe"] };
const text = new TextEncoder();

function pairOf(id: number, horizon: number): PreferencePair {
  const random = new PhiloxStream(7, id);
  const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal());
  return {
    id, horizon,
    features0: numbers(2 * horizon), features1: numbers(2 * horizon), states0: numbers(3 * horizon), states1: numbers(3 * horizon),
    label: ([0, 1, -1] as const)[id % 3]!,
    source: { episode0: id, step0: 3, episode1: 2 * id, step1: 11 },
    annotator: "red box – ä", round: 2, timestampMs: 1_700_000_000_000 + id,
    ...(id === 5 ? { repeatOf: 1 } : {}),
  };
}

/** Both files after some answers, as a writer leaves them. */
function write(pairs: readonly PreferencePair[], undone: readonly number[] = []): { lines: Uint8Array; segments: Uint8Array } {
  let lines = encodePairHeader(columns);
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const pair of pairs) {
    const { line, segments } = encodePair(columns, pair, offset);
    lines += line;
    parts.push(segments);
    offset += segments.length;
    if (undone.includes(pair.id)) lines += encodeUndo(pair.id);
  }
  const segments = new Uint8Array(offset);
  let at = 0;
  for (const part of parts) {
    segments.set(part, at);
    at += part.length;
  }
  return { lines: text.encode(lines), segments };
}

const six = Array.from({ length: 6 }, (_, id) => pairOf(id, 1 + (id % 4)));

test("a store gives back what it was given, whatever the length of the segments", () => {
  const { lines, segments } = write(six);
  expect(readPairs(lines, segments)).toEqual({
    columns, pairs: six, nextId: 6, isTorn: false, lineBytes: lines.length, segmentBytes: segments.length,
  });
});

test("what was taken back is gone, and its id is not given again", () => {
  const { lines, segments } = write(six, [2, 5]);
  const stored = readPairs(lines, segments);
  expect(stored.pairs.map(({ id }) => id)).toEqual([0, 1, 3, 4]);
  expect(stored.nextId).toBe(6);
});

test("a writer that is killed at any byte loses at most the answer it was writing, and goes on to the same files", () => {
  const before = write(six.slice(0, 3));
  const after = write(six.slice(0, 4));
  fc.assert(fc.property(fc.nat(after.segments.length - before.segments.length), fc.nat(after.lines.length - before.lines.length), (moreSegments, moreLines) => {
    // Segments are written first: the line begins only when they are all there.
    const lineStarted = moreSegments === after.segments.length - before.segments.length;
    const lines = after.lines.subarray(0, before.lines.length + (lineStarted ? moreLines : 0));
    const segments = after.segments.subarray(0, before.segments.length + moreSegments);
    const stored = readPairs(lines, segments);
    const isWhole = lines.length === after.lines.length;
    expect(stored.pairs).toEqual(six.slice(0, isWhole ? 4 : 3));
    expect(stored.isTorn).toBe(!isWhole && (lines.length > before.lines.length || segments.length > before.segments.length));
    if (isWhole) return;
    const again = encodePair(columns, six[3]!, stored.segmentBytes);
    expect(Buffer.concat([lines.subarray(0, stored.lineBytes), text.encode(again.line)])).toEqual(Buffer.from(after.lines));
    expect(Buffer.concat([segments.subarray(0, stored.segmentBytes), again.segments])).toEqual(Buffer.from(after.segments));
  }), { numRuns: 60 });
});

describe("refuses, with the line,", () => {
  const good = write(six);
  const goodText = new TextDecoder().decode(good.lines);
  const edited = (edit: (text: string) => string): Uint8Array => text.encode(edit(goodText));
  const other = write(six.map((pair) => ({ ...pair, features0: pair.features0.map((value) => value + 1) })));
  test.each([
    ["an empty file", new Uint8Array(), good.segments, /empty/],
    ["a header alone that is torn", good.lines.subarray(0, 10), good.segments, /empty/],
    ["another format", edited((t) => t.replace("difftune-pairs", "pairs")), good.segments, /Line 1 .*no header/],
    ["a later version", edited((t) => t.replace('"version":1', '"version":2')), good.segments, /Line 1 .*no header/],
    ["a line that is no JSON", edited((t) => t.replace('{"pair":1,', "{")), good.segments, /Line 3 .*no answer/],
    ["a label that is none", edited((t) => t.replace('"label":1', '"label":2')), good.segments, /Line 3 .*no answer/],
    ["an unknown field", edited((t) => t.replace('"label":1', '"label":1,"more":1')), good.segments, /Line 3 .*no answer/],
    ["a pair labelled twice", edited((t) => t.replace('"pair":1', '"pair":0')), good.segments, /Line 3 .*second time/],
    ["an undo of nothing", edited((t) => `${t}{"undo":77}\n`), good.segments, /Line 8 .*77/],
    ["segments that are too short", good.lines, good.segments.subarray(0, 100), /Line 3 .*belongs to these labels/],
    ["segments of another store", good.lines, other.segments, /Line 2 .*not those/],
    ["bytes that are no text", Uint8Array.of(0xff, 0xfe, 10), good.segments, /UTF-8/],
  ])("%s", (_, lines, segments, message) => {
    expect(() => readPairs(lines, segments)).toThrow(message);
    expect(() => readPairs(lines, segments)).toThrow(expect.objectContaining({ code: "FORMAT" }) as Error);
  });

  test("segments that cannot be stored", () => {
    expect(() => encodePair(columns, { ...six[0]!, states1: new Float32Array(4) }, 0)).toThrow(/4 numbers where 1 states of 3 have 3/);
    expect(() => encodePair(columns, { ...six[0]!, features0: Float32Array.of(1, Number.NaN) }, 0)).toThrow(/finite/);
    expect(() => encodePair(columns, { ...six[0]!, label: 3 as 1 }, 0)).toThrow(/label/);
    expect(() => encodePairHeader({ features: [], states: ["x"] })).toThrow(/features/);
  });
});
