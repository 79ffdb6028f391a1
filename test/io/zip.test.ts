import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { bytesSource, readRange, readWhole, type ByteSource } from "../../src/io/byte-source.js";
import { openZip } from "../../src/io/zip.js";
import { joined } from "../data/writers/numpy.js";

const limit = 2 ** 30;
const random = new PhiloxStream(3);
/** Packs to about a half, so that it is unpacked in many pieces. */
const content = Uint8Array.from({ length: 400_000 }, () => random.below(16));

async function entryOf(bytes: Uint8Array, name = "a.bin"): Promise<ByteSource> {
  const entry = await (await openZip(bytesSource(bytes, "it.zip"))).open(name);
  expect(entry).toBeDefined();
  return entry!;
}

/** Byte by byte; the matcher of many elements is slow. */
function expectBytes(got: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(got, expected)).toBe(0);
}

describe("a zip archive", () => {
  const archive = (level: 0 | 6): Uint8Array => zipSync({ "a.bin": [content, { level }], "folder/b.bin": [Uint8Array.of(1, 2, 3), { level: 0 }], "empty": new Uint8Array(0) }, { comment: "a comment" });

  test.each<[string, 0 | 6]>([["stored", 0], ["packed", 6]])("gives its %s entries", async (_, level) => {
    const folder = await openZip(bytesSource(archive(level)));
    expect(await folder.names()).toEqual(["a.bin", "folder/b.bin", "empty"]);
    const entry = await folder.open("a.bin");
    expect(entry!.size).toBe(content.byteLength);
    expectBytes(await readWhole(entry!, limit), content);
    expect(await readWhole((await folder.open("folder/b.bin"))!, limit)).toEqual(Uint8Array.of(1, 2, 3));
    expect(await readWhole((await folder.open("empty"))!, limit)).toEqual(new Uint8Array(0));
    expect(await folder.open("c.bin")).toBeUndefined();
  });

  test.each<[string, 0 | 6]>([["stored", 0], ["packed", 6]])("gives ranges of %s entries, forwards and back", async (_, level) => {
    const entry = await entryOf(archive(level));
    for (const [offset, length] of [[0, 10], [10, 100_000], [70_000, 5], [399_990, 10], [0, 1], [200_000, 0], [5, 399_995]] as const) {
      expectBytes(await readRange(entry, offset, length, "a range"), content.subarray(offset, offset + length));
    }
  });

  test("in the long form is read alike", async () => {
    expect(await readWhole(await entryOf(longForm(Uint8Array.of(5, 6, 7, 8))), limit)).toEqual(Uint8Array.of(5, 6, 7, 8));
  });

  test.each<[string, (bytes: Uint8Array, view: DataView) => Uint8Array, RegExp]>([
    ["no directory", (bytes) => bytes.subarray(0, 20), /no end of a zip directory/],
    ["nothing in it", () => new Uint8Array(0), /no end of a zip directory/],
    ["an entry that is encrypted", (bytes, view) => set16(bytes, directoryOf(view) + 8, 1), /"a.bin" is encrypted/],
    ["another way of packing", (bytes, view) => set16(bytes, directoryOf(view) + 10, 14), /packed by method 14/],
    ["a directory beyond the file", (bytes) => set32(bytes, bytes.byteLength - 6, 0xfffffff0), /directory of the archive takes the bytes/],
    ["more entries than there are", (bytes) => set16(bytes, bytes.byteLength - 12, 9), /entry 1 of its directory is damaged/],
    ["a name longer than the directory", (bytes, view) => set16(bytes, directoryOf(view) + 28, 60_000), /entry 0 of its directory is damaged/],
    ["a split archive", (bytes) => set16(bytes, bytes.byteLength - 18, 3), /one part of a split archive/],
    ["an entry that claims to unfold without end", (bytes, view) => set32(set16(bytes, directoryOf(view) + 10, 8), directoryOf(view) + 24, 0x7fffffff), /claims to hold 2147483647 bytes in 4/],
    ["sizes that disagree", (bytes, view) => set32(bytes, directoryOf(view) + 24, 3), /claims to hold 3 bytes in 4/],
  ])("with %s is refused", async (_, change, message) => {
    const bytes = zipSync({ "a.bin": [Uint8Array.of(1, 2, 3, 4), { level: 0 }] });
    await expect(openZip(bytesSource(change(bytes, new DataView(bytes.buffer)), "it.zip"))).rejects.toMatchObject({ code: "FORMAT", message: expect.stringMatching(message) as string });
  });

  test("with an entry that is not where it is said to be is refused", async () => {
    const bytes = zipSync({ "a.bin": [Uint8Array.of(1, 2, 3, 4), { level: 0 }] });
    const folder = await openZip(bytesSource(set32(bytes, directoryOf(new DataView(bytes.buffer)) + 42, 2)));
    await expect(folder.open("a.bin")).rejects.toThrow(/does not lie where its directory says/);
  });

  test("with two entries of one name is refused", async () => {
    const bytes = zipSync({ "a.bin": Uint8Array.of(1), "b.bin": Uint8Array.of(2) });
    const twice = new TextDecoder("latin1").decode(bytes).replaceAll("b.bin", "a.bin");
    await expect(openZip(bytesSource(Uint8Array.from(twice, (letter) => letter.codePointAt(0)!)))).rejects.toThrow(/two entries are called "a.bin"/);
  });

  test.each<[string, 0 | 6]>([["stored", 0], ["packed", 6]])("notices every changed byte of a %s entry", async (_, level) => {
    const small = zipSync({ "a.bin": [content.subarray(0, 300), { level }] });
    const start = 30 + "a.bin".length;
    const end = directoryOf(new DataView(small.buffer));
    expect(end - start).toBeGreaterThan(100);
    for (let at = start; at < end; at++) {
      const changed = small.slice();
      changed[at]! ^= 0x10;
      await expect(entryOf(changed).then((entry) => readWhole(entry, limit))).rejects.toMatchObject({ name: "DifftuneError", code: "FORMAT" });
    }
  });

  test("larger than memory is read a piece at a time", async () => {
    const packed = archive(6);
    let [most, total] = [0, 0];
    const counting: ByteSource = { ...bytesSource(packed), read: (offset, length) => { most = Math.max(most, length); total += length; return bytesSource(packed).read(offset, length); } };
    const entry = await (await openZip(counting)).open("a.bin");
    [most, total] = [0, 0];
    await entry!.read(0, 1000);
    expect(total).toBe(65_536);
    await entry!.read(1000, 1000);
    expect([most, total]).toEqual([65_536, 65_536]);
  });
});

/** Where the directory begins. */
function directoryOf(view: DataView): number {
  return view.getUint32(view.byteLength - 6, true);
}

function set16(bytes: Uint8Array, at: number, value: number): Uint8Array {
  new DataView(bytes.buffer).setUint16(at, value, true);
  return bytes;
}

function set32(bytes: Uint8Array, at: number, value: number): Uint8Array {
  new DataView(bytes.buffer).setUint32(at, value, true);
  return bytes;
}

/** An archive whose sizes and places stand in 64 bits, as those above 4 GiB do. */
function longForm(data: Uint8Array): Uint8Array {
  const short = zipSync({ "a.bin": [data, { level: 0 }] });
  const view = new DataView(short.buffer);
  const directory = directoryOf(view);
  const entry = short.slice(directory, directory + 46 + 5);
  for (const at of [20, 24, 42]) set32(entry, at, 0xffffffff);
  set16(entry, 30, 28);
  const long = (...values: readonly number[]): Uint8Array => {
    const out = new DataView(new ArrayBuffer(8 * values.length));
    for (const [index, value] of values.entries()) out.setBigUint64(8 * index, BigInt(value), true);
    return new Uint8Array(out.buffer);
  };
  const extra = joined(Uint8Array.of(1, 0, 24, 0), long(data.byteLength, data.byteLength, 0));
  const length = entry.byteLength + extra.byteLength;
  const end = joined(Uint8Array.of(0x50, 0x4b, 6, 6), long(44), Uint8Array.of(45, 0, 45, 0), new Uint8Array(8), long(1, 1, length, directory));
  const locator = joined(Uint8Array.of(0x50, 0x4b, 6, 7), new Uint8Array(4), long(directory + length), Uint8Array.of(1, 0, 0, 0));
  const last = joined(Uint8Array.of(0x50, 0x4b, 5, 6), new Uint8Array(4), new Uint8Array(12).fill(255), new Uint8Array(2));
  return joined(short.subarray(0, directory), entry, extra, end, locator, last);
}
