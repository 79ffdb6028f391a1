import { describe, expect, test } from "vitest";
import { bytesSource } from "../../src/io/byte-source.js";
import { openNumpy } from "../../src/io/numpy.js";
import { readDoubles } from "../../src/io/safetensors.js";
import { npyBytes } from "../data/writers/numpy.js";

describe("an array of NumPy", () => {
  test.each<[string, string, number]>([["<f4", "32-bit floats", 1], ["<f8", "64-bit floats", 2], [">f8", "turned floats", 3], ["<i8", "long integers", 1], [">i4", "turned integers", 1], ["|u1", "bytes", 1], ["|b1", "flags", 1]])(
    "of type %s (%s) gives any rows, version %i",
    async (description, _, version) => {
      const values = description === "|b1" ? [1, 0, 0, 1, 1, 0] : [1, 2, 3, 4, 5, 200];
      const file = await openNumpy(bytesSource(npyBytes(values, [3, 2], { description, version })));
      expect([file.shape, file.width]).toEqual([[3, 2], 2]);
      expect([...readDoubles(await file.rows(0, 3))]).toEqual(values);
      expect([...readDoubles(await file.rows(1, 2))]).toEqual(values.slice(2, 4));
      expect([...readDoubles(await file.rows(2, 2))]).toEqual([]);
    },
  );

  test("with the first index fastest is turned", async () => {
    const file = await openNumpy(bytesSource(npyBytes([0, 10, 1, 11, 2, 12], [2, 3], { isFortran: true })));
    expect([...readDoubles(await file.rows(0, 2))]).toEqual([0, 1, 2, 10, 11, 12]);
    expect([...readDoubles(await file.rows(1, 2))]).toEqual([10, 11, 12]);
    const cube = await openNumpy(bytesSource(npyBytes([0, 1, 2, 3, 4, 5, 6, 7], [2, 2, 2], { isFortran: true })));
    expect([...readDoubles(await cube.rows(0, 2))]).toEqual([0, 4, 2, 6, 1, 5, 3, 7]);
  });

  test("has rows of many axes, or none", async () => {
    expect(await openNumpy(bytesSource(npyBytes([0, 1, 2, 3, 4, 5, 6, 7], [2, 2, 2])))).toMatchObject({ width: 4 });
    expect(await openNumpy(bytesSource(npyBytes([7], [])))).toMatchObject({ width: 1, shape: [] });
  });

  test("reads no rows that it does not have", async () => {
    const file = await openNumpy(bytesSource(npyBytes([1, 2], [2])));
    await expect(file.rows(1, 3)).rejects.toMatchObject({ code: "FORMAT" });
  });

  test("that shrinks while it is read is noticed", async () => {
    const bytes = npyBytes([1, 2, 3, 4], [4]);
    const source = bytesSource(bytes, "it.npy");
    let isShort = false;
    const file = await openNumpy({ ...source, read: (offset, length) => source.read(offset, isShort ? length - 1 : length) });
    isShort = true;
    await expect(file.rows(0, 4)).rejects.toThrow(/15 of 16 bytes of rows 0 to 4 could be read/);
  });
});
