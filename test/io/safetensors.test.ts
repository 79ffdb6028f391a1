import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DifftuneError } from "../../src/core/errors.ts";
import {
  readDoubles,
  readFloats,
  readSafetensors,
  storeDoubles,
  storeFloats,
  writeSafetensors,
  type Dtype,
  type StoredTensor,
} from "../../src/io/safetensors.ts";

/** A file from its parts, so that each can be wrong. */
function file(header: string | Uint8Array, data: Uint8Array | number = 0, headerBytes?: number): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const body = typeof data === "number" ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.byteLength + body.byteLength);
  const claimed = headerBytes ?? text.byteLength;
  new DataView(bytes.buffer).setUint32(0, claimed % 2 ** 32, true);
  new DataView(bytes.buffer).setUint32(4, Math.floor(claimed / 2 ** 32), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.byteLength);
  return bytes;
}

function entry(dtype: string, shape: string, offsets: string): string {
  return `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
}

function refusal(action: () => unknown): DifftuneError {
  try {
    action();
  } catch (error) {
    if (error instanceof DifftuneError) return error;
    throw error;
  }
  throw new RangeError("nothing was thrown");
}

const aFile = (): Uint8Array =>
  writeSafetensors({
    metadata: new Map([["format", "pt"]]),
    tensors: new Map<string, StoredTensor>([
      ["weight", storeFloats([2, 3], [1, 2, 3, 4, 5, 6])],
      ["bias", storeDoubles([2], [Math.PI, -0])],
      ["empty", storeFloats([0, 7], [])],
      ["scalar", storeDoubles([], [42])],
      ["flags", { dtype: "BOOL", shape: [3], bytes: Uint8Array.of(1, 0, 1) }],
    ]),
  });

describe("safetensors writer", () => {
  it("gives back what was written", () => {
    const { metadata, tensors } = readSafetensors(aFile());
    expect([...metadata]).toEqual([["format", "pt"]]);
    expect([...tensors.keys()].sort()).toEqual(["bias", "empty", "flags", "scalar", "weight"]);
    expect([...readFloats(tensors.get("weight")!)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...readDoubles(tensors.get("bias")!)]).toEqual([Math.PI, -0]);
    expect(tensors.get("empty")!.shape).toEqual([0, 7]);
    expect(readDoubles(tensors.get("empty")!)).toHaveLength(0);
    expect(tensors.get("scalar")!.shape).toEqual([]);
    expect([...readDoubles(tensors.get("flags")!)]).toEqual([1, 0, 1]);
  });

  it("gives the same bytes for the same content in another order", () => {
    const { tensors } = readSafetensors(aFile());
    const reversed = new Map([...tensors].reverse());
    expect(writeSafetensors({ metadata: new Map([["format", "pt"]]), tensors: reversed })).toEqual(aFile());
  });

  it("starts the data on 8 bytes and every tensor on its element size", () => {
    for (const names of [["a"], ["a", "bb"], ["a", "bb", "ccc"], ["lengthy.name.of.a.tensor"]]) {
      const tensors = new Map<string, StoredTensor>(
        names.flatMap((name) => [
          [`${name}.u8`, { dtype: "U8", shape: [3], bytes: new Uint8Array(3) }],
          [`${name}.f32`, storeFloats([1], [1])],
          [`${name}.f64`, storeDoubles([1], [1])],
        ]),
      );
      const bytes = writeSafetensors({ tensors });
      const dataStart = 8 + new DataView(bytes.buffer).getUint32(0, true);
      expect(dataStart % 8).toBe(0);
      for (const { dtype, bytes: view } of readSafetensors(bytes).tensors.values()) {
        expect(view.byteOffset % ({ F64: 8, F32: 4, U8: 1 } as Record<string, number>)[dtype]!).toBe(0);
      }
    }
  });

  it.each<[string, string, StoredTensor]>([
    ["a reserved name", "__metadata__", storeFloats([1], [1])],
    ["a lone surrogate in a name", "\ud800", storeFloats([1], [1])],
    ["bytes that do not fit the shape", "a", { dtype: "F32", shape: [2], bytes: new Uint8Array(4) }],
    ["a fractional size", "a", { dtype: "F32", shape: [0.5], bytes: new Uint8Array(2) }],
    ["a negative size", "a", { dtype: "F32", shape: [-1], bytes: new Uint8Array(0) }],
    ["a size beyond counting", "a", { dtype: "F32", shape: [2 ** 52, 2, 0], bytes: new Uint8Array(0) }],
  ])("refuses %s", (_, name, tensor) => {
    expect(refusal(() => writeSafetensors({ tensors: new Map([[name, tensor]]) })).code).toBe("FORMAT");
  });

  it("refuses values that do not fill the shape", () => {
    expect(refusal(() => storeFloats([2, 2], [1, 2, 3])).code).toBe("FORMAT");
    expect(refusal(() => storeDoubles([], [])).code).toBe("FORMAT");
  });
});

describe("safetensors reader", () => {
  it("reads every dtype at an odd address", () => {
    const stored: [Dtype, number[], number[]][] = [
      ["F64", [0, 0, 0, 0, 0, 0, 0xf0, 0x3f], [1]],
      ["F32", [0, 0, 0xc0, 0xbf], [-1.5]],
      ["F16", [0x00, 0x3c, 0x01, 0x00, 0x00, 0xfc, 0x01, 0x80, 0x55, 0x35], [1, 2 ** -24, -Infinity, -(2 ** -24), 0.333251953125]],
      ["BF16", [0x80, 0x3f, 0x49, 0x40], [1, 3.140625]],
      ["I64", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [-1]],
      ["U64", [1, 0, 0, 0, 1, 0, 0, 0], [2 ** 32 + 1]],
      ["I32", [0xfe, 0xff, 0xff, 0xff], [-2]],
      ["U32", [0xfe, 0xff, 0xff, 0xff], [2 ** 32 - 2]],
      ["I16", [0xfd, 0xff], [-3]],
      ["U16", [0xfd, 0xff], [65533]],
      ["I8", [0xfc], [-4]],
      ["U8", [0xfc], [252]],
      ["BOOL", [1], [1]],
    ];
    for (const [dtype, bytes, values] of stored) {
      const header = `{"first":${entry("U8", "[1]", "[0,1]")},"x":${entry(dtype, `[${values.length}]`, `[1,${1 + bytes.length}]`)}}`;
      const inner = file(header, Uint8Array.of(7, ...bytes));
      for (const shift of [0, 1]) {
        const outer = new Uint8Array(inner.length + shift);
        outer.set(inner, shift);
        const tensor = readSafetensors(outer.subarray(shift)).tensors.get("x")!;
        expect([...readDoubles(tensor)], dtype).toEqual(values);
      }
    }
    expect(readDoubles({ dtype: "F16", shape: [1], bytes: Uint8Array.of(1, 0x7c) })[0]).toBeNaN();
  });

  it("reads from shared memory", () => {
    const bytes = aFile();
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
    shared.set(bytes);
    expect(readFloats(readSafetensors(shared).tensors.get("weight")!)[5]).toBe(6);
  });

  it("accepts tensors out of order, spaces, escapes and names that objects know", () => {
    const header =
      ` { "b\\u0061" : {"data_offsets":[4,8] , "shape":[ ] ,"dtype":"F32"},"__proto__":${entry("F32", "[1]", "[0,4]")}, ` +
      `"constructor":${entry("I8", "[0]", "[4,4]")}}\n\t `;
    const { tensors } = readSafetensors(file(header.trimStart(), 8));
    expect([...tensors.keys()]).toEqual(["ba", "__proto__", "constructor"]);
    expect(tensors.get("__proto__")!.bytes.byteLength).toBe(4);
  });

  it("accepts a file without tensors", () => {
    expect(readSafetensors(file("{}")).tensors.size).toBe(0);
    expect(readSafetensors(file('{"__metadata__":{}}')).metadata.size).toBe(0);
  });

  it("reads a header of megabytes without deep recursion", () => {
    const text = "x".repeat(4_000_000);
    const header = `{"__metadata__":{"note":"${text}"}}${" ".repeat(1_000_000)}`;
    expect(readSafetensors(file(header)).metadata.get("note")).toHaveLength(4_000_000);
    expect(refusal(() => readSafetensors(file("[".repeat(1_000_000)))).code).toBe("FORMAT");
    expect(refusal(() => readSafetensors(file(`{"a":${"[".repeat(1_000_000)}`))).code).toBe("FORMAT");
  });

  const f32 = (shape: string, offsets: string): string => `{"a":${entry("F32", shape, offsets)}}`;
  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /at least 8 bytes/],
    ["seven bytes", new Uint8Array(7), /at least 8 bytes/],
    ["a header length of 0", file(""), /must start with/],
    ["a header beyond the file", file("{}", 0, 3), /has 2 for it/],
    ["a header of 2^64 - 1 bytes", new Uint8Array(8).fill(255), /limit/],
    ["a header over the limit", file("{}", 0, 100_000_001), /limit/],
    ["invalid UTF-8", file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), /UTF-8/],
    ["a byte order mark", file("\ufeff{}"), /must start with/],
    ["a space before the header", file(" {}"), /must start with/],
    ["an array header", file("[]"), /must start with/],
    ["an open object", file("{"), /expected/],
    ["an open text", file('{"a'), /no end/],
    ["a text that ends in a backslash", file('{"a\\'), /no end/],
    ["a control character in a text", file('{"a\u0001":1}'), /bad character/],
    ["a bad escape", file('{"\\x":1}'), /bad character/],
    ["a lone surrogate", file('{"\\ud800":1}'), /Unicode/],
    ["a trailing comma", file(`{"a":${entry("F32", "[]", "[0,4]")},}`, 4), /expected/],
    ["text after the object", file("{}x"), /nothing but spaces/],
    ["a second object", file("{}{}"), /nothing but spaces/],
    ["a tensor name twice", file(`{"a":${entry("F32", "[]", "[0,4]")},"a":${entry("F32", "[]", "[4,8]")}}`, 8), /twice/],
    ["a tensor name twice, once escaped", file(`{"a":${entry("F32", "[]", "[0,4]")},"\\u0061":${entry("F32", "[]", "[4,8]")}}`, 8), /twice/],
    ["metadata twice", file('{"__metadata__":{},"__metadata__":{}}'), /twice/],
    ["a metadata key twice", file('{"__metadata__":{"a":"1","a":"2"}}'), /twice/],
    ["a tensor key twice", file('{"a":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}', 4), /twice/],
    ["metadata that is no text", file('{"__metadata__":{"a":1}}'), /expected/],
    ["metadata that is no object", file('{"__metadata__":"a"}'), /expected/],
    ["an unknown key", file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":[]}}', 4), /unknown key/],
    ["no dtype", file('{"a":{"shape":[],"data_offsets":[0,4]}}', 4), /needs dtype/],
    ["no shape", file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4), /needs dtype/],
    ["no offsets", file('{"a":{"dtype":"F32","shape":[]}}', 4), /needs dtype/],
    ["a tensor that is null", file('{"a":null}'), /expected/],
    ["a dtype that is a number", file('{"a":{"dtype":32,"shape":[],"data_offsets":[0,4]}}', 4), /expected/],
    ["an unknown dtype", file(`{"a":${entry("F8_E4M3", "[4]", "[0,4]")}}`, 4), /unknown dtype/],
    ["a dtype in small letters", file(`{"a":${entry("f32", "[1]", "[0,4]")}}`, 4), /unknown dtype/],
    ["a dtype that objects know", file(`{"a":${entry("toString", "[1]", "[0,4]")}}`, 4), /unknown dtype/],
    ["a negative size", file(f32("[-1]", "[0,4]"), 4), /whole number/],
    ["a fractional size", file(f32("[1.0]", "[0,4]"), 4), /whole number/],
    ["a size with an exponent", file(f32("[1e0]", "[0,4]"), 4), /whole number/],
    ["a size with a leading zero", file(f32("[01]", "[0,4]"), 4), /whole number/],
    ["a size that is a text", file(f32('["1"]', "[0,4]"), 4), /whole number/],
    ["a size of 2^53", file(f32("[9007199254740992]", "[0,4]"), 4), /whole number/],
    ["a size of 400 digits", file(f32(`[1${"0".repeat(400)}]`, "[0,4]"), 4), /whole number/],
    ["a product beyond counting", file(f32("[4294967296,4294967296]", "[0,4]"), 4), /can count/],
    ["a product beyond counting beside a zero", file(f32("[4294967296,4294967296,0]", "[0,0]")), /can count/],
    ["a product that wraps around to the right size", file(f32("[4294967296,4294967297]", "[0,4]"), 4), /can count/],
    ["no offset", file(f32("[]", "[]"), 4), /data_offsets/],
    ["one offset", file(f32("[]", "[4]"), 4), /data_offsets/],
    ["three offsets", file(f32("[]", "[0,4,4]"), 4), /data_offsets/],
    ["falling offsets", file(f32("[]", "[4,0]"), 4), /data_offsets/],
    ["negative offsets", file(f32("[]", "[-4,0]"), 4), /whole number/],
    ["too few bytes for the shape", file(f32("[2]", "[0,4]"), 4), /takes 8 bytes/],
    ["too many bytes for the shape", file(f32("[1]", "[0,8]"), 8), /takes 4 bytes/],
    ["bytes for an empty tensor", file(f32("[0]", "[0,4]"), 4), /takes 0 bytes/],
    ["a hole at the start", file(f32("[1]", "[4,8]"), 8), /hole/],
    ["a hole in the middle", file(`{"a":${entry("F32", "[1]", "[0,4]")},"b":${entry("F32", "[1]", "[8,12]")}}`, 12), /hole/],
    ["an overlap", file(`{"a":${entry("F32", "[2]", "[0,8]")},"b":${entry("F32", "[2]", "[4,12]")}}`, 12), /overlaps/],
    ["the same bytes twice", file(`{"a":${entry("F32", "[1]", "[0,4]")},"b":${entry("F32", "[1]", "[0,4]")}}`, 4), /overlaps/],
    ["an empty tensor inside another", file(`{"a":${entry("F32", "[2]", "[0,8]")},"b":${entry("F32", "[0]", "[4,4]")}}`, 8), /overlaps/],
    ["an empty tensor far away", file(`{"b":${entry("F32", "[0]", "[4096,4096]")}}`), /hole/],
    ["bytes after the last tensor", file(f32("[1]", "[0,4]"), 5), /tensors end at/],
    ["bytes without a tensor", file("{}", 1), /tensors end at/],
    ["a file that is cut off", file(f32("[1]", "[0,4]"), 3), /cut off/],
    ["a tensor of 8 PiB in a small file", file(f32("[2251799813685247]", "[0,9007199254740988]"), 4), /cut off/],
  ])("refuses %s", (_, bytes, message) => {
    const error = refusal(() => readSafetensors(bytes));
    expect(error.code).toBe("FORMAT");
    expect(error.message).toMatch(message);
  });

  it("refuses a 64-bit integer that a double would round", () => {
    const bytes = Uint8Array.of(1, 0, 0, 0, 0, 0, 0x20, 0);
    expect(refusal(() => readDoubles({ dtype: "I64", shape: [1], bytes })).code).toBe("FORMAT");
    expect(refusal(() => readDoubles({ dtype: "U64", shape: [1], bytes })).code).toBe("FORMAT");
  });

  const name = fc.oneof(fc.string({ unit: "binary", maxLength: 12 }), fc.constantFrom("__proto__", "constructor", "a.b"));
  const wellFormed = name.filter((text) => text !== "__metadata__" && !/\p{Surrogate}/u.test(text));
  const sizes: Record<Dtype, number> = {
    F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1,
  };
  const tensor = fc
    .tuple(fc.constantFrom(...(Object.keys(sizes) as Dtype[])), fc.array(fc.nat(3), { maxLength: 3 }), fc.infiniteStream(fc.nat(255)))
    .map(([dtype, shape, stream]): StoredTensor => {
      const count = shape.reduce((product, size) => product * size, sizes[dtype]);
      return { dtype, shape, bytes: Uint8Array.from({ length: count }, () => stream.next().value as number) };
    });
  const content = fc.record({
    metadata: fc.array(fc.tuple(wellFormed, wellFormed), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    tensors: fc.array(fc.tuple(wellFormed, tensor), { maxLength: 6 }).map((pairs) => new Map(pairs)),
  });

  it("gives back any content, bit for bit", () => {
    fc.assert(
      fc.property(content, (written) => {
        const read = readSafetensors(writeSafetensors(written));
        expect(new Map(read.metadata)).toEqual(written.metadata);
        expect(read.tensors.size).toBe(written.tensors.size);
        for (const [key, { dtype, shape, bytes }] of written.tensors) {
          const got = read.tensors.get(key)!;
          expect([got.dtype, got.shape]).toEqual([dtype, shape]);
          expect(Buffer.from(got.bytes).equals(Buffer.from(bytes))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  /** Changes at one place of a file: one byte flipped, or bytes replaced, cut out and put in. */
  const mutation = fc.record({
    place: fc.nat(999_999).map((millionths) => millionths / 1e6),
    isHeader: fc.boolean(),
    flipped: fc.option(fc.integer({ min: 1, max: 255 })),
    removed: fc.nat(6),
    inserted: fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.constantFrom('"', "{", "}", "[", "]", ",", ":", "0", "-", "9999999999999999", "\\", '"a":', "null").map((text) =>
        new TextEncoder().encode(text),
      ),
    ),
  });

  it("meets any damage with a FORMAT error or a file that holds together, and allocates nothing", () => {
    let refused = 0;
    let accepted = 0;
    fc.assert(
      fc.property(content, fc.array(mutation, { minLength: 1, maxLength: 3 }), (written, mutations) => {
        let bytes = Buffer.from(writeSafetensors(written));
        for (const { place, isHeader, flipped, removed, inserted } of mutations) {
          const reach = isHeader ? Math.min(bytes.length, 300) : bytes.length;
          const at = Math.floor(place * reach);
          if (flipped !== null && at < bytes.length) bytes[at]! ^= flipped;
          else bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
        }
        let read;
        try {
          read = readSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DifftuneError);
          expect((error as DifftuneError).code).toBe("FORMAT");
          refused++;
          return;
        }
        accepted++;
        for (const { dtype, shape, bytes: view } of read.tensors.values()) {
          expect(view.buffer).toBe(bytes.buffer);
          expect(view.byteLength).toBe(shape.reduce((product, size) => product * size, sizes[dtype]));
        }
        expect(readSafetensors(writeSafetensors(read)).tensors.size).toBe(read.tensors.size);
      }),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(500);
    expect(accepted).toBeGreaterThan(20);
  });
});
