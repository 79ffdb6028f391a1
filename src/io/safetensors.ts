import { DifftuneError } from "../core/errors.js";

/** Element types of a safetensors file and their size, bytes. */
export const elementBytes = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** Element type of a stored tensor, in the spelling of the file format. */
export type Dtype = keyof typeof elementBytes;

/** One tensor as it lies in a file: little-endian bytes in row-major order. */
export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Content of a safetensors file. Maps, not objects: a tensor may be called `__proto__`. */
export interface Safetensors {
  /** Free text by name; the `__metadata__` entry of the header. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors by name, in the order of the header. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Largest header that is read or written, bytes; the same bound as the format's reference reader. */
const headerLimitBytes = 100_000_000;
const lengthBytes = 8;
const metadataName = "__metadata__";

/**
 * Reads a safetensors file that is already in memory. The tensors are views of `file`, nothing is copied.
 *
 * Strict: the tensors must cover the data area exactly (no holes, no overlaps, nothing after the last), every name
 * occurs once, shape and dtype agree with the byte range. Anything else throws a `FORMAT` error that says where.
 */
export function readSafetensors(file: Uint8Array): Safetensors {
  if (file.byteLength < lengthBytes) {
    throw formatError(`A safetensors file has at least ${lengthBytes} bytes, this one has ${file.byteLength}.`, {
      got: file.byteLength,
    });
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const low = view.getUint32(0, true);
  const high = view.getUint32(4, true);
  const headerBytes = high * 2 ** 32 + low;
  if (headerBytes > headerLimitBytes) {
    throw formatError(`The header claims ${headerBytes} bytes, more than the limit of ${headerLimitBytes}.`, {
      expected: headerLimitBytes,
      got: headerBytes,
      hint: "Is this a safetensors file?",
    });
  }
  const dataStart = lengthBytes + headerBytes;
  if (dataStart > file.byteLength) {
    throw formatError(`The header claims ${headerBytes} bytes, the file has ${file.byteLength - lengthBytes} for it.`, {
      expected: headerBytes,
      got: file.byteLength - lengthBytes,
      hint: "The file is cut off or not a safetensors file.",
    });
  }
  const { metadata, entries } = new HeaderReader(decodeUtf8(file.subarray(lengthBytes, dataStart))).read();
  const data = file.subarray(dataStart);
  checkCoverage(entries, data.byteLength);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
  }
  return { metadata, tensors };
}

/**
 * Writes a safetensors file. The same content gives the same bytes, in whatever order it was put together: tensors lie
 * by falling element size, then by name, so that each starts on a multiple of its element size; the header is padded to
 * a multiple of 8 bytes.
 */
export function writeSafetensors(content: {
  readonly metadata?: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}): Uint8Array {
  const sorted = [...content.tensors].sort(
    ([nameA, a], [nameB, b]) => elementBytes[b.dtype] - elementBytes[a.dtype] || compare(nameA, nameB),
  );
  const parts: string[] = [];
  const metadata = [...(content.metadata ?? [])].sort(([a], [b]) => compare(a, b));
  if (metadata.length > 0) {
    const texts = metadata.map(([key, value]) => `${quote(key)}:${quote(value)}`);
    parts.push(`${quote(metadataName)}:{${texts.join(",")}}`);
  }
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    if (name === metadataName) {
      throw formatError(`No tensor may be called "${metadataName}".`, { path: name });
    }
    const expected = tensorBytes(name, dtype, shape);
    if (bytes.byteLength !== expected) {
      throw formatError(`Tensor "${name}" of ${dtype} [${shape.join(", ")}] takes ${expected} bytes.`, {
        path: name,
        expected,
        got: bytes.byteLength,
      });
    }
    const begin = end;
    end += expected;
    parts.push(`${quote(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${begin},${end}]}`);
  }
  const text = new TextEncoder().encode(`{${parts.join(",")}}`);
  const headerBytes = Math.ceil(text.byteLength / 8) * 8;
  if (headerBytes > headerLimitBytes) {
    throw formatError(`The header takes ${headerBytes} bytes, more than the limit of ${headerLimitBytes}.`, {
      expected: headerLimitBytes,
      got: headerBytes,
    });
  }
  const file = new Uint8Array(lengthBytes + headerBytes + end);
  new DataView(file.buffer).setUint32(0, headerBytes, true);
  file.set(text, lengthBytes);
  file.fill(0x20, lengthBytes + text.byteLength, lengthBytes + headerBytes);
  let at = lengthBytes + headerBytes;
  for (const [, { bytes }] of sorted) {
    file.set(bytes, at);
    at += bytes.byteLength;
  }
  return file;
}

/** A tensor of 32-bit floats, ready to be written. */
export function storeFloats(shape: readonly number[], values: ArrayLike<number>): StoredTensor {
  return store("F32", shape, values, (view, at, value) => view.setFloat32(at, value, true));
}

/** A tensor of 64-bit floats, ready to be written. */
export function storeDoubles(shape: readonly number[], values: ArrayLike<number>): StoredTensor {
  return store("F64", shape, values, (view, at, value) => view.setFloat64(at, value, true));
}

/** The elements of a tensor as doubles. 64-bit integers beyond 2^53 are refused, because a double would round them. */
export function readDoubles(tensor: StoredTensor): Float64Array {
  const size = elementBytes[tensor.dtype];
  const values = new Float64Array(tensor.bytes.byteLength / size);
  const view = new DataView(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength);
  const read = elementReaders[tensor.dtype];
  for (let index = 0; index < values.length; index++) values[index] = read(view, index * size);
  return values;
}

/** The elements of a tensor, each rounded to the nearest 32-bit float. */
export function readFloats(tensor: StoredTensor): Float32Array {
  return Float32Array.from(readDoubles(tensor));
}

type ElementReader = (view: DataView, at: number) => number;

const elementReaders: Readonly<Record<Dtype, ElementReader>> = {
  F64: (view, at) => view.getFloat64(at, true),
  F32: (view, at) => view.getFloat32(at, true),
  F16: (view, at) => halfToDouble(view.getUint16(at, true)),
  BF16: (view, at) => bfloatToDouble(view.getUint16(at, true)),
  I64: (view, at) => safeInteger(view.getInt32(at + 4, true), view.getUint32(at, true)),
  U64: (view, at) => safeInteger(view.getUint32(at + 4, true), view.getUint32(at, true)),
  I32: (view, at) => view.getInt32(at, true),
  U32: (view, at) => view.getUint32(at, true),
  I16: (view, at) => view.getInt16(at, true),
  U16: (view, at) => view.getUint16(at, true),
  I8: (view, at) => view.getInt8(at),
  U8: (view, at) => view.getUint8(at),
  BOOL: (view, at) => view.getUint8(at),
};

/** sign · 2^(exponent − 15) · (1 + fraction/1024); exponent 0 is subnormal, 31 is infinity or NaN. */
function halfToDouble(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** A bfloat16 is the upper half of a 32-bit float. */
function bfloatToDouble(bits: number): number {
  word.setUint16(0, bits);
  return word.getFloat32(0);
}

function safeInteger(high: number, low: number): number {
  const value = high * 2 ** 32 + low;
  if (!Number.isSafeInteger(value)) {
    throw formatError("A 64-bit integer of the file is beyond 2^53 and no double can hold it.", { got: value });
  }
  return value;
}

function store(
  dtype: Dtype,
  shape: readonly number[],
  values: ArrayLike<number>,
  write: (view: DataView, at: number, value: number) => void,
): StoredTensor {
  const size = elementBytes[dtype];
  const expected = tensorBytes("values", dtype, shape) / size;
  if (values.length !== expected) {
    throw formatError(`Shape [${shape.join(", ")}] holds ${expected} elements.`, { expected, got: values.length });
  }
  const bytes = new Uint8Array(expected * size);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < expected; index++) write(view, index * size, values[index]!);
  return { dtype, shape: [...shape], bytes };
}

/** One tensor of the header. `begin` and `end` count from the start of the data area, bytes. */
interface HeaderEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The tensors, taken by their offsets, must follow each other without hole or overlap and end with the file. */
function checkCoverage(entries: readonly HeaderEntry[], dataBytes: number): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      const defect = begin < covered ? "overlaps the tensor before it" : "leaves a hole before it";
      throw formatError(`Tensor "${name}" ${defect}: it starts at byte ${begin} of the data, not ${covered}.`, {
        path: name,
        expected: covered,
        got: begin,
      });
    }
    if (end > dataBytes) {
      throw formatError(`Tensor "${name}" ends at byte ${end} of the data, the file has ${dataBytes}.`, {
        path: name,
        expected: dataBytes,
        got: end,
        hint: "The file is cut off.",
      });
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw formatError(`The tensors end at byte ${covered} of the data, the file has ${dataBytes}.`, {
      expected: covered,
      got: dataBytes,
    });
  }
}

/** Bytes that a shape takes; refuses sizes that no safe integer can hold, also beside a zero. */
function tensorBytes(name: string, dtype: Dtype, shape: readonly number[]): number {
  let nonZeroBytes: number = elementBytes[dtype];
  let isEmpty = false;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw formatError(`Tensor "${name}" has a size that is no whole number.`, { path: name, got: size });
    }
    if (size === 0) isEmpty = true;
    else nonZeroBytes *= size;
    if (nonZeroBytes > Number.MAX_SAFE_INTEGER) {
      throw formatError(`Tensor "${name}" has more bytes than a number can count.`, { path: name, got: shape });
    }
  }
  return isEmpty ? 0 : nonZeroBytes;
}

/**
 * Reads exactly the JSON that a header may hold: an object whose values are `{"dtype", "shape", "data_offsets"}`, and
 * one `__metadata__` of texts. `JSON.parse` would let the last of two equal names win; here they are refused.
 */
class HeaderReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): { metadata: Map<string, string>; entries: HeaderEntry[] } {
    const entries: HeaderEntry[] = [];
    let metadata = new Map<string, string>();
    if (this.#text[0] !== "{") throw this.#defect('the header must start with "{"');
    this.#members((name) => {
      if (name === metadataName) metadata = this.#metadata();
      else entries.push(this.#entry(name));
    });
    this.#space();
    if (this.#at !== this.#text.length) throw this.#defect("nothing but spaces may follow the header object");
    return { metadata, entries };
  }

  #metadata(): Map<string, string> {
    const metadata = new Map<string, string>();
    this.#members((name) => metadata.set(name, this.#string()));
    return metadata;
  }

  #entry(name: string): HeaderEntry {
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.#members((key) => {
      if (key === "dtype") dtype = this.#string();
      else if (key === "shape") shape = this.#integers();
      else if (key === "data_offsets") offsets = this.#integers();
      else throw this.#defect(`tensor "${name}" has an unknown key "${key}"`);
    });
    if (dtype === undefined || shape === undefined || offsets === undefined) {
      throw this.#defect(`tensor "${name}" needs dtype, shape and data_offsets`);
    }
    if (!isDtype(dtype)) {
      throw formatError(`Tensor "${name}" has the unknown dtype "${dtype}".`, {
        path: name,
        expected: Object.keys(elementBytes),
        got: dtype,
      });
    }
    const [begin, end, ...more] = offsets;
    if (begin === undefined || end === undefined || more.length > 0 || begin > end) {
      throw formatError(`Tensor "${name}" needs two rising data_offsets.`, { path: name, got: offsets });
    }
    const expected = tensorBytes(name, dtype, shape);
    if (end - begin !== expected) {
      throw formatError(`Tensor "${name}" of ${dtype} [${shape.join(", ")}] takes ${expected} bytes, not ${end - begin}.`, {
        path: name,
        expected,
        got: end - begin,
      });
    }
    return { name, dtype, shape, begin, end };
  }

  /** `{ "name": value, … }`, each name once; `readValue` consumes the value. */
  #members(readValue: (name: string) => void): void {
    const seen = new Set<string>();
    this.#expect("{");
    if (this.#take("}")) return;
    do {
      const name = this.#string();
      if (seen.has(name)) throw this.#defect(`the name "${name}" occurs twice`);
      seen.add(name);
      this.#expect(":");
      readValue(name);
    } while (this.#take(","));
    this.#expect("}");
  }

  /** `[1, 2, …]` of non-negative whole numbers. */
  #integers(): number[] {
    const values: number[] = [];
    this.#expect("[");
    if (this.#take("]")) return values;
    do values.push(this.#integer());
    while (this.#take(","));
    this.#expect("]");
    return values;
  }

  #integer(): number {
    this.#space();
    const start = this.#at;
    while (isNumberPart(this.#text.charCodeAt(this.#at))) this.#at++;
    const token = this.#text.slice(start, Math.min(this.#at, start + 17));
    const value = /^(?:0|[1-9][0-9]*)$/.test(token) ? Number(token) : NaN;
    if (!Number.isSafeInteger(value)) throw this.#defect("a whole number from 0 to 2^53 - 1 is expected");
    return value;
  }

  /** Scanned by hand: a regular expression would need a stack as deep as the text is long. */
  #string(): string {
    this.#expect('"');
    const start = this.#at - 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
    }
    if (this.#text[this.#at] !== '"') throw this.#defect("a text has no end");
    this.#at++;
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(start, this.#at));
    } catch (cause) {
      throw this.#defect("a text has a bad character or escape", cause);
    }
    if (typeof value !== "string" || hasLoneSurrogate(value)) throw this.#defect("a text is no valid Unicode");
    return value;
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) throw this.#defect(`"${character}" is expected`);
  }

  #space(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  #defect(what: string, cause?: unknown): DifftuneError {
    return formatError(`The header is malformed at character ${this.#at}: ${what}.`, { index: this.#at, cause });
  }
}

/** Space, tab, line feed, carriage return. */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/** Any character of a JSON number, so that `1.5` and `-1` are read as one wrong token. */
function isNumberPart(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e || (code | 0x20) === 0x65;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    // The decoder of a page refuses shared memory, so shared bytes are copied first.
    const own = bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice();
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(own);
  } catch (cause) {
    throw formatError("The header is no valid UTF-8.", { cause });
  }
}

function quote(text: string): string {
  if (hasLoneSurrogate(text)) throw formatError("A name or a text is no valid Unicode.", { got: text });
  return JSON.stringify(text);
}

function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

function isDtype(text: string): text is Dtype {
  return Object.hasOwn(elementBytes, text);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function formatError(message: string, facts: ConstructorParameters<typeof DifftuneError>[2]): DifftuneError {
  return new DifftuneError("FORMAT", message, facts);
}
