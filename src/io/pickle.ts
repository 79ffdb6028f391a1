import { DifftuneError, invariant } from "../core/errors.js";
import { parseDescription, tensorOf } from "./numpy.js";
import type { StoredTensor } from "./safetensors.js";

/** What a pickle of plain data holds. Dictionaries are maps, so that no key can harm. */
export type Unpickled =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | NumpyArray
  | readonly Unpickled[]
  | ReadonlyMap<Unpickled, Unpickled>;

/** An array of NumPy. */
export class NumpyArray {
  #tensor: StoredTensor | undefined;

  /** Its numbers, little-endian, the last index fastest. */
  get tensor(): StoredTensor {
    invariant(this.#tensor !== undefined, "an array of a pickle was never filled");
    return this.#tensor;
  }

  /** @internal Whether it has its numbers: a pickle makes an array first and fills it later. */
  get isFilled(): boolean {
    return this.#tensor !== undefined;
  }

  /** @internal */
  fill(tensor: StoredTensor): this {
    this.#tensor = tensor;
    return this;
  }
}

/** The functions that an array of NumPy is pickled with. A pickle that names anything else is refused before it is obeyed. */
const known: Readonly<Record<string, Callable>> = {
  "numpy.ndarray": "ndarray",
  "numpy.dtype": "dtype",
  "numpy.core.multiarray._reconstruct": "reconstruct",
  "numpy._core.multiarray._reconstruct": "reconstruct",
  "numpy.core.multiarray.scalar": "scalar",
  "numpy._core.multiarray.scalar": "scalar",
  "numpy.core.numeric._frombuffer": "frombuffer",
  "numpy._core.numeric._frombuffer": "frombuffer",
  // How Python 3 writes bytes in the second protocol.
  "_codecs.encode": "encode",
};

type Callable = "ndarray" | "dtype" | "reconstruct" | "scalar" | "frombuffer" | "encode";

class NamedFunction {
  readonly name: Callable;

  constructor(name: Callable) {
    this.name = name;
  }
}

/** An element type; its byte order is told after it was made. */
class ElementType {
  readonly description: string;
  order = "=";

  constructor(description: string) {
    this.description = description;
  }
}

type Item = Unpickled | NamedFunction | ElementType | Item[] | Map<Item, Item>;

const longestInteger = 8;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a pickle, protocol 2 to 5, that holds numbers, texts, lists, tuples, dictionaries and arrays of NumPy and nothing
 * else. It runs no code: every name but those that arrays of NumPy are made of is refused, and so is every instruction
 * that would make an object, open something or speak to a program outside. All else is a `FORMAT` error with the byte.
 */
export function readPickle(bytes: Uint8Array, name = "the pickle"): Unpickled {
  return new PickleReader(bytes, name).read();
}

class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;
  #at = 0;
  #operation = 0;
  readonly #stack: Item[] = [];
  /** Heights of the stack that are marked. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Item>();

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
  }

  read(): Unpickled {
    const [start, protocol] = [this.#bytes[0], this.#bytes[1]];
    if (start !== 0x80 || protocol === undefined || protocol < 2 || protocol > 5) {
      throw this.#defect(start === 0x80 ? `it has the protocol ${protocol}; 2 to 5 are read` : "it does not begin as pickles of protocol 2 or later do");
    }
    this.#at = 2;
    for (;;) {
      this.#operation = this.#at;
      const code = this.#byte();
      if (code === 0x2e) break;
      this.#obey(code);
    }
    const result = this.#pop();
    if (this.#stack.length > 0 || this.#marks.length > 0) throw this.#defect("more than one value is left at its end");
    if (this.#at !== this.#bytes.byteLength) throw this.#defect(`${this.#bytes.byteLength - this.#at} bytes follow its end`);
    return this.#plain(result);
  }

  #obey(code: number): void {
    switch (code) {
      case 0x4e: this.#push(null); break; // NONE
      case 0x88: this.#push(true); break; // NEWTRUE
      case 0x89: this.#push(false); break; // NEWFALSE
      case 0x4b: this.#push(this.#byte()); break; // BININT1
      case 0x4d: this.#push(this.#unsigned(2)); break; // BININT2
      case 0x4a: this.#push(this.#unsigned(4) | 0); break; // BININT
      case 0x8a: this.#push(this.#long(this.#byte())); break; // LONG1
      case 0x8b: this.#push(this.#long(this.#unsigned(4))); break; // LONG4
      case 0x47: this.#push(this.#float()); break; // BINFLOAT
      case 0x8c: this.#push(this.#text(this.#byte())); break; // SHORT_BINUNICODE
      case 0x58: this.#push(this.#text(this.#unsigned(4))); break; // BINUNICODE
      case 0x8d: this.#push(this.#text(this.#unsigned(8))); break; // BINUNICODE8
      case 0x43: case 0x55: this.#push(this.#take(this.#byte())); break; // SHORT_BINBYTES, SHORT_BINSTRING
      case 0x42: case 0x54: this.#push(this.#take(this.#unsigned(4))); break; // BINBYTES, BINSTRING
      case 0x8e: case 0x96: this.#push(this.#take(this.#unsigned(8))); break; // BINBYTES8, BYTEARRAY8
      case 0x28: this.#marks.push(this.#stack.length); break; // MARK
      case 0x30: this.#pop(); break; // POP
      case 0x31: this.#sinceMark(); break; // POP_MARK
      case 0x32: this.#push(this.#top()); break; // DUP
      case 0x5d: this.#push([]); break; // EMPTY_LIST
      case 0x29: this.#push([]); break; // EMPTY_TUPLE
      case 0x7d: this.#push(new Map<Item, Item>()); break; // EMPTY_DICT
      case 0x6c: case 0x74: this.#push(this.#sinceMark()); break; // LIST, TUPLE
      case 0x85: this.#push(this.#last(1)); break; // TUPLE1
      case 0x86: this.#push(this.#last(2)); break; // TUPLE2
      case 0x87: this.#push(this.#last(3)); break; // TUPLE3
      case 0x64: this.#push(this.#setItems(new Map<Item, Item>(), this.#sinceMark())); break; // DICT
      case 0x61: this.#append(this.#last(1)); break; // APPEND
      case 0x65: this.#append(this.#sinceMark()); break; // APPENDS
      case 0x73: this.#assign(this.#last(2)); break; // SETITEM
      case 0x75: this.#assign(this.#sinceMark()); break; // SETITEMS
      case 0x71: this.#keep(this.#byte()); break; // BINPUT
      case 0x72: this.#keep(this.#unsigned(4)); break; // LONG_BINPUT
      case 0x94: this.#keep(this.#memo.size); break; // MEMOIZE
      case 0x68: this.#recall(this.#byte()); break; // BINGET
      case 0x6a: this.#recall(this.#unsigned(4)); break; // LONG_BINGET
      case 0x95: this.#frame(); break; // FRAME
      case 0x63: this.#push(this.#function(this.#line(), this.#line())); break; // GLOBAL
      case 0x93: this.#stackGlobal(); break; // STACK_GLOBAL
      case 0x52: this.#reduce(); break; // REDUCE
      case 0x62: this.#build(); break; // BUILD
      default:
        throw this.#defect(`the instruction 0x${code.toString(16).padStart(2, "0")} does not belong to plain data`);
    }
  }

  /** A frame only says how much may be read at once. */
  #frame(): void {
    const length = this.#unsigned(8);
    if (length > this.#bytes.byteLength - this.#at) throw this.#defect(`a frame claims ${length} bytes`);
  }

  #function(module: string, name: string): NamedFunction {
    const path = `${module}.${name}`;
    const callable = Object.hasOwn(known, path) ? known[path] : undefined;
    if (callable === undefined) {
      throw this.#defect(`it asks for "${path.slice(0, 100)}"`, "Only arrays of NumPy, numbers, texts, lists and dictionaries are read; nothing of a pickle is ever executed.");
    }
    return new NamedFunction(callable);
  }

  #stackGlobal(): void {
    const [module, name] = this.#last(2);
    if (typeof module !== "string" || typeof name !== "string") throw this.#defect("the name of a function is no text");
    this.#push(this.#function(module, name));
  }

  #reduce(): void {
    const [callable, given] = this.#last(2);
    if (!(callable instanceof NamedFunction) || !Array.isArray(given)) throw this.#defect("something is called that is no function");
    this.#push(this.#call(callable.name, given));
  }

  #call(name: Callable, given: readonly Item[]): Item {
    switch (name) {
      case "reconstruct":
        if (!(given[0] instanceof NamedFunction) || given[0].name !== "ndarray") throw this.#defect("something other than a plain array is made");
        return new NumpyArray();
      case "dtype": {
        const [description] = given;
        if (typeof description !== "string") throw this.#defect("an element type has no name");
        return new ElementType(description);
      }
      case "scalar": {
        const [type, data] = given;
        if (!(type instanceof ElementType) || !(data instanceof Uint8Array)) throw this.#defect("a number of NumPy has no type or no bytes");
        return new NumpyArray().fill(this.#tensor([], type, false, data));
      }
      case "frombuffer": {
        const [data, type, shape, order] = given;
        if (!(type instanceof ElementType) || !(data instanceof Uint8Array)) throw this.#defect("an array has no type or no bytes");
        if (order !== "C" && order !== "F") throw this.#defect("an array has its elements in an order that is not known");
        return new NumpyArray().fill(this.#tensor(this.#shape(shape), type, order === "F", data));
      }
      case "encode": {
        const [text, encoding] = given;
        if (typeof text !== "string" || encoding !== "latin1" || /[^\0-\xff]/.test(text)) throw this.#defect("bytes are written in a way that is not known");
        return Uint8Array.from(text, (character) => character.charCodeAt(0));
      }
      case "ndarray":
        throw this.#defect("an array is made in a way that is not known");
    }
  }

  /** The state of an array (version, shape, type, order, bytes) or of an element type (version, byte order, …). */
  #build(): void {
    const [target, state] = this.#last(2);
    if (!Array.isArray(state)) throw this.#defect("a state is no tuple");
    if (target instanceof ElementType) {
      const [version, order, parts, names, fields] = state;
      const isPlain = typeof version === "number" && typeof order === "string" && [parts, names, fields].every((part) => part === null);
      if (!isPlain) throw this.#defect("an element type is a record");
      target.order = order;
      this.#push(target);
      return;
    }
    if (!(target instanceof NumpyArray) || target.isFilled) throw this.#defect("a state is given to something that has none");
    const [version, shape, type, isFortran, data] = state;
    if (version !== 1 || !(type instanceof ElementType) || typeof isFortran !== "boolean" || !(data instanceof Uint8Array)) {
      throw this.#defect("the state of an array is not understood", "Arrays of objects are not read.");
    }
    this.#push(target.fill(this.#tensor(this.#shape(shape), type, isFortran, data)));
  }

  #tensor(shape: readonly number[], { description, order }: ElementType, isFortran: boolean, data: Uint8Array): StoredTensor {
    const type = parseDescription(description);
    if (type === undefined) throw this.#defect(`an array holds elements of the type "${description.slice(0, 40)}"`, "Only numbers are read.");
    const isBigEndian = order === ">" || (order !== "<" && type.isBigEndian);
    return tensorOf({ dtype: type.dtype, isBigEndian, shape, isFortran }, data, `${this.#name}, byte ${this.#operation}`);
  }

  #shape(item: Item | undefined): readonly number[] {
    const sizes = Array.isArray(item) ? item.filter((size) => typeof size === "number" && Number.isInteger(size) && size >= 0) : [];
    if (!Array.isArray(item) || sizes.length !== item.length) throw this.#defect("the shape of an array is no list of sizes");
    return sizes as number[];
  }

  #append(items: readonly Item[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#defect("something is appended to what is no list");
    for (const item of items) list.push(item);
  }

  #assign(items: readonly Item[]): void {
    const target = this.#top();
    if (!(target instanceof Map)) throw this.#defect("an entry is made in what is no dictionary");
    this.#setItems(target, items);
  }

  #setItems(target: Map<Item, Item>, items: readonly Item[]): Map<Item, Item> {
    if (items.length % 2 !== 0) throw this.#defect("a dictionary has a key without a value");
    for (let index = 0; index < items.length; index += 2) {
      const key = items[index]!;
      if (typeof key !== "string" && typeof key !== "number") throw this.#defect("a key of a dictionary is neither a text nor a number");
      target.set(key, items[index + 1]!);
    }
    return target;
  }

  #keep(place: number): void {
    this.#memo.set(place, this.#top());
  }

  #recall(place: number): void {
    const item = this.#memo.get(place);
    if (item === undefined) throw this.#defect(`it refers to value ${place}, which it does not have`);
    this.#push(item);
  }

  #push(item: Item): void {
    this.#stack.push(item);
  }

  #pop(): Item {
    return this.#last(1)[0]!;
  }

  #top(): Item {
    const item = this.#pop();
    this.#push(item);
    return item;
  }

  #last(count: number): Item[] {
    const from = this.#stack.length - count;
    if (from < (this.#marks.at(-1) ?? 0)) throw this.#defect("a value is missing");
    return this.#stack.splice(from);
  }

  #sinceMark(): Item[] {
    const from = this.#marks.pop();
    if (from === undefined) throw this.#defect("a mark is missing");
    return this.#stack.splice(from);
  }

  #byte(): number {
    return this.#take(1)[0]!;
  }

  #unsigned(size: number): number {
    const bytes = this.#take(size);
    const value = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
    if (!Number.isSafeInteger(value)) throw this.#defect("a length is beyond every file");
    return value;
  }

  /** Two's complement, little-endian; what a double would round is refused. */
  #long(size: number): number {
    if (size > longestInteger) throw this.#defect(`a whole number has ${size} bytes`);
    const bytes = this.#take(size);
    if (size === 0) return 0;
    const magnitude = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const value = Number(BigInt.asIntN(8 * size, magnitude));
    if (!Number.isSafeInteger(value)) throw this.#defect("a whole number is beyond 2^53");
    return value;
  }

  #float(): number {
    this.#take(8);
    return this.#view.getFloat64(this.#at - 8);
  }

  #text(length: number): string {
    const bytes = this.#take(length).slice();
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.#defect("a text is no valid UTF-8");
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#defect("a name has no end");
    const text = String.fromCharCode(...this.#bytes.subarray(this.#at, Math.min(end, this.#at + 200)));
    this.#at = end + 1;
    return text;
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.byteLength - this.#at) throw this.#defect(`${length} bytes are asked for and ${this.#bytes.byteLength - this.#at} are left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Checks that only data is left, nothing of the machinery. Lists may share parts and hold themselves, so each is looked at once. */
  #plain(root: Item): Unpickled {
    const seen = new Set<Item>();
    const open: Item[] = [root];
    while (open.length > 0) {
      const item = open.pop()!;
      if (item instanceof NamedFunction || item instanceof ElementType) throw this.#defect("a function is left among its data");
      if (item instanceof NumpyArray && !item.isFilled) throw this.#defect("an array was never filled");
      if (seen.has(item)) continue;
      if (Array.isArray(item)) for (const part of item) open.push(part);
      else if (item instanceof Map) for (const part of item.values()) open.push(part);
      else continue;
      seen.add(item);
    }
    return root as Unpickled;
  }

  #defect(fault: string, hint = "The file is damaged, or it is no pickle of plain data."): DifftuneError {
    return new DifftuneError("FORMAT", `${this.#name}, byte ${this.#operation}: ${fault}.`, { hint, path: this.#name, index: this.#operation });
  }
}
