import { DifftuneError } from "../core/errors.js";
import { readRange, type ByteSource } from "./byte-source.js";
import { elementBytes, type Dtype, type StoredTensor } from "./safetensors.js";

/** How an array of NumPy lies in a file. */
export interface NumpyLayout {
  readonly dtype: Dtype;
  /** Whether the bytes of an element have to be turned round. */
  readonly isBigEndian: boolean;
  readonly shape: readonly number[];
  /** Whether the first index runs fastest. */
  readonly isFortran: boolean;
}

const kinds: Readonly<Record<string, Dtype>> = {
  f8: "F64", f4: "F32", f2: "F16", i8: "I64", i4: "I32", i2: "I16", i1: "I8", u8: "U64", u4: "U32", u2: "U16", u1: "U8", b1: "BOOL",
};

/** The element type that NumPy calls `<f4`; undefined for texts, objects, records and what else holds no numbers. */
export function parseDescription(description: string): { readonly dtype: Dtype; readonly isBigEndian: boolean } | undefined {
  const [, order, kind] = /^([<>|=]?)([fiub]\d)$/.exec(description) ?? [];
  const dtype = kind === undefined ? undefined : kinds[kind];
  return dtype && { dtype, isBigEndian: order === ">" };
}

/** Number of elements; `FORMAT` where there are too many to be counted. */
function elementCount(shape: readonly number[], name: string): number {
  const count = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(count * 8)) throw new DifftuneError("FORMAT", `${name} has the shape [${shape.join(", ")}], which no memory holds.`, { path: name, got: shape });
  return count;
}

/** An array of NumPy as a tensor: little-endian, the last index fastest. */
export function tensorOf({ dtype, isBigEndian, shape, isFortran }: NumpyLayout, bytes: Uint8Array, name: string): StoredTensor {
  const size = elementBytes[dtype];
  const expected = elementCount(shape, name) * size;
  if (bytes.byteLength !== expected) {
    throw new DifftuneError("FORMAT", `${name}: ${dtype} [${shape.join(", ")}] takes ${expected} bytes, not ${bytes.byteLength}.`, { path: name, expected, got: bytes.byteLength });
  }
  const ordered = isFortran && shape.length > 1 ? rowMajor(bytes, shape, size) : bytes;
  return { dtype, shape, bytes: isBigEndian && size > 1 ? swapped(ordered, size) : ordered };
}

function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.byteLength);
  for (let at = 0; at < bytes.byteLength; at++) out[at] = bytes[at - (at % size) + size - 1 - (at % size)]!;
  return out;
}

/** Element [i0, i1, …] stands at Σ i_k · Π_{j<k} n_j in Fortran's order. */
function rowMajor(bytes: Uint8Array, shape: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(bytes.byteLength);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, length) => product * length, size));
  const index = shape.map(() => 0);
  for (let to = 0; to < out.byteLength; to += size) {
    const from = index.reduce((sum, place, axis) => sum + place * strides[axis]!, 0);
    for (let byte = 0; byte < size; byte++) out[to + byte] = bytes[from + byte]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      if (index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return out;
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const headerLimitBytes = 65_536;

/** An `.npy` file whose rows are read when they are asked for. */
export interface NumpyFile {
  readonly name: string;
  readonly shape: readonly number[];
  /** Numbers of one row: the product of all sizes but the first. */
  readonly width: number;
  /** Rows [from, to), as [to - from, width]. */
  rows(from: number, to: number): Promise<StoredTensor>;
}

/** Opens an `.npy` file of numbers, version 1 to 3. Arrays of objects, texts and records are refused. */
export async function openNumpy(source: ByteSource): Promise<NumpyFile> {
  const { name } = source;
  const start = await readRange(source, 0, 10, "the start of the array");
  if (magic.some((byte, index) => start[index] !== byte)) throw new DifftuneError("FORMAT", `${name} is no array of NumPy.`, { path: name });
  const isLong = start[6]! > 1;
  if (start[6]! < 1 || start[6]! > 3) throw new DifftuneError("FORMAT", `${name} has the version ${start[6]}; 1 to 3 are read.`, { path: name, got: start[6] });
  const more = isLong ? await readRange(source, 10, 2, "the start of the array") : new Uint8Array(2);
  const headerBytes = start[8]! + 256 * start[9]! + 65_536 * more[0]! + 16_777_216 * more[1]!;
  if (headerBytes > headerLimitBytes) throw new DifftuneError("FORMAT", `The header of ${name} claims ${headerBytes} bytes.`, { path: name, expected: headerLimitBytes, got: headerBytes });
  const dataStart = (isLong ? 12 : 10) + headerBytes;
  const header = new TextDecoder().decode((await readRange(source, dataStart - headerBytes, headerBytes, "the header of the array")).slice());
  const layout = parseHeader(header, name);
  const size = elementBytes[layout.dtype];
  const bytes = elementCount(layout.shape, name) * size;
  if (dataStart + bytes !== source.size) {
    throw new DifftuneError("FORMAT", `${name}: ${layout.dtype} [${layout.shape.join(", ")}] takes ${bytes} bytes, there are ${source.size - dataStart}.`, {
      hint: "The file is cut off or damaged.",
      path: name,
      expected: bytes,
      got: source.size - dataStart,
    });
  }
  const [count = 1, ...rest] = layout.shape;
  const width = elementCount(rest, name);
  // Rows of Fortran's order lie all over the file: it is turned as a whole.
  let turned: Promise<StoredTensor> | undefined;
  return {
    name,
    shape: layout.shape,
    width,
    async rows(from, to) {
      if (from < 0 || to > count || from > to) {
        throw new DifftuneError("FORMAT", `${name} has ${count} rows; ${from} to ${to} are asked for.`, { path: name, expected: count, got: to });
      }
      if (layout.isFortran && width > 1) {
        turned ??= readRange(source, dataStart, bytes, "the array").then((all) => tensorOf(layout, all, name));
        const all = await turned;
        return { ...all, shape: [to - from, width], bytes: all.bytes.subarray(from * width * size, to * width * size) };
      }
      const range = await readRange(source, dataStart + from * width * size, (to - from) * width * size, `rows ${from} to ${to}`);
      return tensorOf({ ...layout, shape: [to - from, width], isFortran: false }, range, name);
    },
  };
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` with spaces to fill up. */
function parseHeader(text: string, name: string): NumpyLayout {
  const entry = String.raw`\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\d,\sL]*\))\s*`;
  const match = new RegExp(String.raw`^\s*\{${entry},${entry},${entry},?\s*\}\s*$`).exec(text);
  const values = new Map([1, 3, 5].map((place) => [match?.[place], match?.[place + 1]]));
  const [description, order, shape] = ["descr", "fortran_order", "shape"].map((key) => values.get(key));
  if (description === undefined || order === undefined || !shape?.startsWith("(")) {
    throw new DifftuneError("FORMAT", `The header of ${name} is not understood: ${text.trim().slice(0, 80)}`, {
      hint: "Only plain arrays of numbers are read, no objects and no records.",
      path: name,
    });
  }
  const type = parseDescription(description.replaceAll("'", ""));
  if (type === undefined || !/^(True|False)$/.test(order)) {
    throw new DifftuneError("FORMAT", `${name} holds elements of the type ${description}.`, { hint: "Only arrays of numbers are read.", path: name, got: description });
  }
  const sizes = shape.replace(/[()L\s]/g, "").split(",").filter((size) => size !== "").map(Number);
  return { ...type, shape: sizes, isFortran: order === "True" };
}
