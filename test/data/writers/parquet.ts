import { gzipSync } from "fflate";
import { arrayBytes, joined } from "./numpy.js";

/** A column: a number a row, or a list of numbers a row as Arrow writes them. */
export interface ParquetColumn {
  readonly name: string;
  readonly kind: "float" | "int64" | "boolean" | "floats" | "text";
  readonly rows: readonly (number | readonly number[] | string)[];
}

const types = { boolean: 0, int64: 2, float: 4, floats: 4, text: 6 } as const;
const codecs = { none: 0, snappy: 1, gzip: 2 } as const;
export type Codec = keyof typeof codecs;

export interface ParquetOptions {
  /** The row after the last of each row group. */
  readonly groups?: readonly number[];
  readonly codec?: Codec;
  /** How many rows the file says it has. */
  readonly rowCount?: number;
}

/** A Parquet file whose rows are cut into row groups at `groups`, one data page a column. */
export function parquetBytes(columns: readonly ParquetColumn[], options: ParquetOptions = {}): Uint8Array {
  const { rowCount = columns[0]?.rows.length ?? 0, groups = [rowCount], codec = "snappy" } = options;
  const parts: Uint8Array[] = [ascii("PAR1")];
  let at = 4;
  let from = 0;
  const rowGroups = groups.map((to) => {
    const chunks = columns.map((column) => {
      const rows = column.rows.slice(from, to);
      const page = pageOf(column, rows);
      const packed = pack(page.bytes, codec);
      const header = struct(
        [1, i32(0)], [2, i32(page.bytes.byteLength)], [3, i32(packed.byteLength)],
        [5, struct([1, i32(page.count)], [2, i32(0)], [3, i32(3)], [4, i32(3)])],
      ).bytes;
      const meta = struct(
        [1, i32(types[column.kind])], [2, list(5, [varint(0n), varint(6n)])], [3, list(8, pathOf(column).map(textBytes))], [4, i32(codecs[codec])],
        [5, i64(page.count)], [6, i64(page.bytes.byteLength + header.byteLength)], [7, i64(packed.byteLength + header.byteLength)], [9, i64(at)],
      );
      const chunk = struct([2, i64(at)], [3, meta]);
      parts.push(header, packed);
      at += header.byteLength + packed.byteLength;
      return chunk.bytes;
    });
    const group = struct([1, list(12, chunks)], [2, i64(at)], [3, i64(to - from)]).bytes;
    from = to;
    return group;
  });
  const schema = [struct([4, binary("schema")], [5, i32(columns.length)]).bytes, ...columns.flatMap(schemaOf)];
  const footer = struct([1, i32(1)], [2, list(12, schema)], [3, i64(rowCount)], [4, list(12, rowGroups)]).bytes;
  return joined(...parts, footer, arrayBytes([footer.byteLength], "<i8").subarray(0, 4), ascii("PAR1"));
}

function pathOf({ name, kind }: ParquetColumn): readonly string[] {
  return kind === "floats" ? [name, "list", "element"] : [name];
}

function schemaOf({ name, kind }: ParquetColumn): Uint8Array[] {
  if (kind !== "floats") return [struct([1, i32(types[kind])], [3, i32(0)], [4, binary(name)]).bytes];
  return [
    struct([3, i32(1)], [4, binary(name)], [5, i32(1)], [6, i32(3)]).bytes,
    struct([3, i32(2)], [4, binary("list")], [5, i32(1)]).bytes,
    struct([1, i32(4)], [3, i32(1)], [4, binary("element")]).bytes,
  ];
}

function pageOf({ kind }: ParquetColumn, rows: ParquetColumn["rows"]): { readonly bytes: Uint8Array; readonly count: number } {
  const values: (number | string)[] = rows.flat();
  const numbers = values.map(Number);
  switch (kind) {
    case "float": return { bytes: arrayBytes(numbers, "<f4"), count: rows.length };
    case "int64": return { bytes: arrayBytes(numbers, "<i8"), count: rows.length };
    case "boolean": return { bytes: bits(numbers), count: rows.length };
    case "text": return { bytes: joined(...values.map((value) => joined(arrayBytes([String(value).length], "<i8").subarray(0, 4), ascii(String(value))))), count: rows.length };
    case "floats": {
      // Level of repetition 0 at the first number of a row, 1 at the others; level of definition 3: nothing is missing.
      const repetition = joined(...rows.map((row) => joined(varint(2n), Uint8Array.of(0), varint(BigInt((row as readonly number[]).length - 1) << 1n), Uint8Array.of(1))));
      const definition = joined(varint(BigInt(values.length) << 1n), Uint8Array.of(3));
      const level = (bytes: Uint8Array): Uint8Array => joined(arrayBytes([bytes.byteLength], "<i8").subarray(0, 4), bytes);
      return { bytes: joined(level(repetition), level(definition), arrayBytes(numbers, "<f4")), count: values.length };
    }
  }
}

function bits(values: readonly number[]): Uint8Array {
  const out = new Uint8Array(Math.ceil(values.length / 8));
  for (const [index, value] of values.entries()) out[index >> 3]! |= value << (index & 7);
  return out;
}

function pack(bytes: Uint8Array, codec: Codec): Uint8Array {
  if (codec === "gzip") return gzipSync(bytes);
  if (codec === "none") return bytes;
  // Snappy without any repetition: the length, then literals of up to 60 bytes.
  const literals = Array.from({ length: Math.ceil(bytes.byteLength / 60) }, (_, index) => bytes.subarray(60 * index, 60 * index + 60));
  return joined(varint(BigInt(bytes.byteLength)), ...literals.map((literal) => joined(Uint8Array.of((literal.byteLength - 1) << 2), literal)));
}

/** A value of Thrift's compact protocol and its type. */
interface Value {
  readonly type: number;
  readonly bytes: Uint8Array;
}

function varint(value: bigint): Uint8Array {
  const out: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.from([...out, Number(rest)]);
    out.push(Number(rest & 127n) | 128);
  }
}

const zigzag = (value: number): Uint8Array => varint(BigInt(value) << 1n);
const i32 = (value: number): Value => ({ type: 5, bytes: zigzag(value) });
const i64 = (value: number): Value => ({ type: 6, bytes: zigzag(value) });
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const textBytes = (text: string): Uint8Array => joined(varint(BigInt(text.length)), ascii(text));
const binary = (text: string): Value => ({ type: 8, bytes: textBytes(text) });

function list(type: number, items: readonly Uint8Array[]): Value {
  const head = items.length < 15 ? Uint8Array.of((items.length << 4) | type) : joined(Uint8Array.of(0xf0 | type), varint(BigInt(items.length)));
  return { type: 9, bytes: joined(head, ...items) };
}

function struct(...fields: readonly (readonly [id: number, value: Value])[]): Value {
  let before = 0;
  const parts = fields.map(([id, { type, bytes }]) => {
    const head = Uint8Array.of(((id - before) << 4) | type);
    before = id;
    return joined(head, bytes);
  });
  return { type: 12, bytes: joined(...parts, Uint8Array.of(0)) };
}
