import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { NumpyArray, readPickle, type Unpickled } from "../../src/io/pickle.js";
import { readDoubles } from "../../src/io/safetensors.js";
import { joined } from "../data/writers/numpy.js";
import { globalOf, pickleBytes, rawPickle, stackGlobalOf, unicode, type Pickleable } from "../data/writers/pickle.js";

const ops = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const [stop, none, mark, tuple, reduce, build, emptyDict] = [0x2e, 0x4e, 0x28, 0x74, 0x52, 0x62, 0x7d];

function numbers(value: Unpickled | undefined): number[] {
  expect(value).toBeInstanceOf(NumpyArray);
  return [...readDoubles((value as NumpyArray).tensor)];
}

describe("a pickle", () => {
  const content = new Map<string, Pickleable>([
    ["numbers", [0, 1, -5, 70_000, 1.5, true, false, null]],
    ["text", "hé ✓"],
    ["bytes", Uint8Array.of(0, 255, 128)],
    ["tuple", { tuple: [1, { tuple: [] }] }],
    ["__proto__", new Map([["constructor", 1]])],
    ["array", { shape: [2, 3], values: [1, 2, 3, 4, 5, 6], description: "<f4" }],
    ["columns", { shape: [2, 3], values: [1, 4, 2, 5, 3, 6], description: "<f8", isFortran: true }],
    ["big", { shape: [2], values: [-1, 258], description: ">i4" }],
    ["flags", { shape: [3], values: [0, 1, 1], description: "|b1" }],
    ["scalar", { shape: [], values: [7], description: "<i8" }],
    ["empty", { shape: [0, 4], values: [], description: "<f4" }],
  ]);

  test.each([2, 3, 4, 5])("of protocol %i gives back what was put in", (protocol) => {
    const value = readPickle(pickleBytes(content, protocol)) as ReadonlyMap<string, Unpickled>;
    expect([...value.keys()]).toEqual([...content.keys()]);
    expect(value.get("numbers")).toEqual([0, 1, -5, 70_000, 1.5, true, false, null]);
    expect(value.get("text")).toBe("hé ✓");
    expect([...(value.get("bytes") as Uint8Array)]).toEqual([0, 255, 128]);
    expect(value.get("tuple")).toEqual([1, []]);
    expect(value.get("__proto__")).toEqual(new Map([["constructor", 1]]));
    for (const name of ["array", "columns"]) {
      expect(numbers(value.get(name))).toEqual([1, 2, 3, 4, 5, 6]);
      expect((value.get(name) as NumpyArray).tensor.shape).toEqual([2, 3]);
    }
    expect(numbers(value.get("big"))).toEqual([-1, 258]);
    expect(numbers(value.get("flags"))).toEqual([0, 1, 1]);
    expect(numbers(value.get("scalar"))).toEqual([7]);
    expect(numbers(value.get("empty"))).toEqual([]);
  });

  test("may use the memo, frames and long forms", () => {
    // MEMOIZE [], get it twice, in a frame; LONG1 -2; SHORT_BINUNICODE; BINUNICODE8.
    const value = readPickle(rawPickle(4, ops(0x95, 14, 0, 0, 0, 0, 0, 0, 0, mark, 0x5d, 0x94, 0x68, 0, 0x8a, 1, 0xfe, 0x8c, 1, 0x61, 0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0x62, tuple)));
    expect(value).toEqual([[], [], -2, "a", "b"]);
    const shared = value as readonly unknown[];
    expect(shared[0]).toBe(shared[1]);
  });

  test("may hold itself", () => {
    const value = readPickle(rawPickle(2, ops(0x5d, 0x71, 0, 0x68, 0, 0x61))) as readonly unknown[];
    expect(value[0]).toBe(value);
  });
});

/** A REDUCE of a function with one text. */
const calling = (module: string, name: string, argument = "touch hacked"): Uint8Array => joined(globalOf(module, name), ops(mark), unicode(argument), ops(tuple, reduce));
const arrayOf = (...parts: readonly Uint8Array[]): Uint8Array => joined(globalOf("numpy.core.multiarray", "_reconstruct"), ops(mark), globalOf("numpy", "ndarray"), ops(mark, 0x4b, 0, tuple, 0x43, 1, 0x62, tuple, reduce), ...parts);
const typeOf = (description: string): Uint8Array => joined(globalOf("numpy", "dtype"), ops(mark), unicode(description), ops(0x89, 0x88, tuple, reduce));

describe("a hostile pickle", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["a command of the system", rawPickle(2, calling("os", "system")), /asks for "os\.system"/],
    ["the same by its other name", rawPickle(2, calling("posix", "system")), /asks for "posix\.system"/],
    ["the same from texts on the stack", rawPickle(4, stackGlobalOf("nt", "system")), /asks for "nt\.system"/],
    ["eval", rawPickle(2, calling("builtins", "eval")), /asks for "builtins\.eval"/],
    ["getattr", rawPickle(2, calling("builtins", "getattr")), /asks for "builtins\.getattr"/],
    ["a process", rawPickle(2, calling("subprocess", "Popen")), /asks for "subprocess\.Popen"/],
    ["a loader of NumPy", rawPickle(2, calling("numpy", "load")), /asks for "numpy\.load"/],
    ["what is inherited by every object", rawPickle(2, calling("numpy", "__proto__")), /asks for "numpy\.__proto__"/],
    ["a name without a module", rawPickle(2, globalOf("", "constructor")), /asks for "\.constructor"/],
    ["a table of pandas", rawPickle(2, calling("pandas.core.frame", "DataFrame")), /asks for "pandas/],
    ["another codec", rawPickle(2, joined(globalOf("_codecs", "encode"), ops(mark), unicode("x"), unicode("rot13"), ops(tuple, reduce))), /in a way that is not known/],
    ["an object by INST", rawPickle(2, ops(mark, 0x69), new TextEncoder().encode("os\nsystem\n")), /instruction 0x69/],
    ["an object by OBJ", rawPickle(2, ops(mark, 0x6f)), /instruction 0x6f/],
    ["an object by NEWOBJ", rawPickle(2, joined(globalOf("numpy", "ndarray"), ops(0x29, 0x81))), /instruction 0x81/],
    ["a persistent object", rawPickle(2, ops(none, 0x51)), /instruction 0x51/],
    ["an extension", rawPickle(2, ops(0x82, 1)), /instruction 0x82/],
    ["a buffer from outside", rawPickle(5, ops(0x97)), /instruction 0x97/],
    ["an older protocol", Uint8Array.of(0x28, 0x6c, 0x2e), /does not begin as pickles/],
    ["a protocol to come", rawPickle(6, ops(none)), /protocol 6/],
    ["a call of what is no function", rawPickle(2, ops(none, 0x29, reduce)), /something is called that is no function/],
    ["a call without a tuple", rawPickle(2, joined(globalOf("numpy", "dtype"), ops(none, reduce))), /something is called/],
    ["an array that is called itself", rawPickle(2, joined(globalOf("numpy", "ndarray"), ops(0x29, reduce))), /an array is made/],
    ["a matrix instead of an array", rawPickle(2, joined(globalOf("numpy.core.multiarray", "_reconstruct"), ops(mark), globalOf("numpy", "dtype"), ops(tuple, reduce))), /something other than a plain array/],
    ["an array of objects", rawPickle(2, arrayOf(ops(mark, 0x4b, 1, mark, 0x4b, 1, tuple), typeOf("O8"), ops(0x89, 0x5d, tuple, build))), /state of an array is not understood/],
    ["an array of texts", rawPickle(2, arrayOf(ops(mark, 0x4b, 1, mark, 0x4b, 1, tuple), typeOf("U1"), ops(0x89, 0x43, 4, 0, 0, 0, 0, tuple, build))), /elements of the type "U1"/],
    ["an array larger than its bytes", rawPickle(2, arrayOf(ops(mark, 0x4b, 1, mark, 0x4b, 9, tuple), typeOf("f4"), ops(0x89, 0x43, 4, 0, 0, 0, 0, tuple, build))), /takes 36 bytes, not 4/],
    ["an array of a negative size", rawPickle(2, arrayOf(ops(mark, 0x4b, 1, mark, 0x4a, 255, 255, 255, 255, tuple), typeOf("f4"), ops(0x89, 0x43, 0, tuple, build))), /no list of sizes/],
    ["an array larger than memory", rawPickle(2, arrayOf(ops(mark, 0x4b, 1, mark, 0x8a, 7, 0, 0, 0, 0, 0, 0, 16, 0x4b, 99, tuple), typeOf("f8"), ops(0x89, 0x43, 0, tuple, build))), /no memory holds/],
    ["an array that is filled twice", rawPickle(2, arrayOf(...[0, 1].map(() => joined(ops(mark, 0x4b, 1, mark, 0x4b, 1, tuple), typeOf("u1"), ops(0x89, 0x43, 1, 5, tuple, build))))), /given to something that has none/],
    ["an array that is never filled", rawPickle(2, arrayOf()), /never filled/],
    ["a record", rawPickle(2, joined(typeOf("V8"), ops(mark, 0x4b, 3, 0x58, 1, 0, 0, 0, 0x3c, none, 0x29, emptyDict, tuple, build))), /is a record/],
    ["a state for a dictionary", rawPickle(2, ops(emptyDict, 0x29, build)), /given to something that has none/],
    ["a function left over", rawPickle(2, globalOf("numpy", "dtype")), /a function is left/],
    ["a function in a list", rawPickle(2, joined(ops(mark), globalOf("numpy", "ndarray"), ops(tuple))), /a function is left/],
    ["a list as a key", rawPickle(2, ops(emptyDict, 0x5d, none, 0x73)), /key of a dictionary/],
    ["an odd number of keys and values", rawPickle(2, ops(mark, none, 0x64)), /key without a value/],
    ["an append to a number", rawPickle(2, ops(none, none, 0x61)), /no list/],
    ["an entry of a number", rawPickle(2, ops(none, none, none, 0x73)), /no dictionary/],
    ["a value that was never kept", rawPickle(2, ops(0x68, 7)), /value 7, which it does not have/],
    ["an empty stack", rawPickle(2, ops()), /a value is missing/],
    ["a mark that is missing", rawPickle(2, ops(none, tuple)), /a mark is missing/],
    ["a value below a mark", rawPickle(2, ops(none, mark, 0x85)), /a value is missing/],
    ["two values", rawPickle(2, ops(none, none)), /more than one value/],
    ["something after its end", joined(rawPickle(2, ops(none)), ops(1, 2)), /2 bytes follow/],
    ["no end", Uint8Array.of(0x80, 2, none), /1 bytes are asked for and 0 are left/],
    ["a text longer than the file", rawPickle(2, ops(0x58, 255, 255, 255, 255)), /bytes are asked for/],
    ["bytes longer than every file", rawPickle(4, ops(0x8e, 255, 255, 255, 255, 255, 255, 255, 255)), /beyond every file/],
    ["a frame longer than the file", rawPickle(4, ops(0x95, 255, 0, 0, 0, 0, 0, 0, 0)), /a frame claims 255 bytes/],
    ["a text that is none", rawPickle(2, ops(0x58, 1, 0, 0, 0, 0xff)), /no valid UTF-8/],
    ["a number too long", rawPickle(2, ops(0x8a, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1)), /whole number has 9 bytes/],
    ["a number too large", rawPickle(2, ops(0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 64)), /beyond 2\^53/],
    ["a name without an end", Uint8Array.of(0x80, 2, 0x63, 0x6f, 0x73), /a name has no end/],
    ["nothing at all", new Uint8Array(0), /does not begin/],
  ])("with %s is refused, with the byte", (_, bytes, message) => {
    const error = faultOf(() => readPickle(bytes, "it.pkl"));
    expect(error).toBeInstanceOf(DifftuneError);
    expect(error).toMatchObject({ code: "FORMAT" });
    expect((error as DifftuneError).message).toMatch(message);
    expect((error as DifftuneError).path).toMatch(/^it\.pkl/);
  });

  test("that nests deeply, shares much or marks often is read in no time", () => {
    const depth = 100_000;
    const nested = rawPickle(2, ops(none), new Uint8Array(depth).fill(0x85));
    const doubled = rawPickle(2, ops(none), Uint8Array.from({ length: 2000 }, (_, index) => (index % 2 === 0 ? 0x32 : 0x86)));
    const marked = rawPickle(2, new Uint8Array(depth).fill(mark), new Uint8Array(depth).fill(tuple));
    const started = performance.now();
    readPickle(nested);
    readPickle(doubled);
    readPickle(marked);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("is a FORMAT error wherever a good one is cut or changed, or still is good", () => {
    const good = pickleBytes(new Map<string, Pickleable>([["a", { shape: [2], values: [1, 2], description: "<f4" }], ["n", [1, "x"]]]), 4);
    for (let length = 0; length < good.byteLength; length++) {
      expect(faultOf(() => readPickle(good.subarray(0, length)))).toMatchObject({ code: "FORMAT" });
    }
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const error = faultOf(() => readPickle(bytes));
        if (error !== undefined) expect(error).toMatchObject({ name: "DifftuneError", code: "FORMAT" });
      }),
      { numRuns: 2000 },
    );
  });

  test("of random instructions never does anything but fail or give data", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const error = faultOf(() => readPickle(joined(Uint8Array.of(0x80, 4), bytes, Uint8Array.of(stop))));
        if (error !== undefined) expect(error).toMatchObject({ name: "DifftuneError", code: "FORMAT" });
      }),
      { numRuns: 2000 },
    );
  });
});

function faultOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
