import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createDevice, enableRelaxedSimd } from "../../src/engine/create-device.js";
import { kernels } from "../../src/kernels/registry.js";
import { caseContents, digest, digestError } from "../../src/kernels/self-test/case.js";
import { selfTestCases } from "../../src/kernels/self-test/cases.js";
import { expectedDigests } from "../../src/kernels/self-test/expected.js";
import { runCaseOnce, selfTest } from "../../src/kernels/self-test/self-test.js";
import { deviceFor, engines } from "./harness.js";

const file = new URL("../../src/kernels/self-test/expected.ts", import.meta.url);

/** Digests of every case on one thread of the plain WASM build. */
async function record(): Promise<Record<string, Record<string, number[]>>> {
  const device = await deviceFor("wasm", 1);
  const all: Record<string, Record<string, number[]>> = {};
  for (const one of selfTestCases) {
    const outputs = await runCaseOnce(device, one, one.kernel.wasmVariants?.[0] ?? "main");
    all[one.kernel.name] = Object.fromEntries([...outputs].map(([name, values]) => [name, digest(values).map((number) => Number(number.toPrecision(9)))]));
  }
  return all;
}

test("every kernel has one self-test case", () => {
  expect(selfTestCases.map((one) => one.kernel.name).sort()).toEqual(kernels.map((kernel) => kernel.name).sort());
});

test("the recorded digests are what the proven kernels give today", async () => {
  const recorded = await record();
  if (process.env.DIFFTUNE_UPDATE === "1") {
    const lines = Object.entries(recorded).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, outputs]) => {
      const inner = Object.entries(outputs).map(([output, numbers]) => `    ${output}: [${numbers.join(", ")}],`);
      return `  "${name}": {\n${inner.join("\n")}\n  },`;
    });
    const { readFile } = await import("node:fs/promises");
    const head = (await readFile(file, "utf8")).split("= {")[0];
    await writeFile(file, `${head}= {\n${lines.join("\n")}\n};\n`);
    return;
  }
  expect(Object.keys(expectedDigests).sort()).toEqual(Object.keys(recorded).sort());
  for (const [name, outputs] of Object.entries(recorded)) {
    expect(Object.keys(expectedDigests[name] ?? {}), name).toEqual(Object.keys(outputs));
    for (const [output, numbers] of Object.entries(outputs)) {
      expect(digestError(numbers, expectedDigests[name]?.[output] ?? []), `${name} ${output}`).toBeLessThan(1e-6);
    }
  }
});

test.each(engines)("the self-test passes on %s", async (engine) => {
  const rows = [];
  for await (const row of selfTest(await deviceFor(engine))) rows.push(row);
  expect(rows.filter((row) => !row.passed)).toEqual([]);
  expect(new Set(rows.map((row) => row.kernel)).size).toBe(kernels.length);
});

test("the self-test passes on the relaxed SIMD build", async () => {
  expect(enableRelaxedSimd()).toBe(true);
  using device = await createDevice({ engine: "wasm", wasm: { simd: "relaxed", threads: 2 } });
  const rows = [];
  for await (const row of selfTest(device)) rows.push(row);
  expect(device.info.build).toBe("relaxed");
  expect(rows.filter((row) => !row.passed)).toEqual([]);
});

test("a digest changes when one element, a row or the tail is wrong", () => {
  const contents = caseContents(selfTestCases[0]!).get("x")!;
  const right = digest(contents);
  const damaged = (damage: (values: number[]) => void): number => {
    const values = [...contents];
    damage(values);
    return digestError(digest(values), right);
  };
  expect(damaged(() => undefined)).toBe(0);
  expect(damaged((values) => { values[100] = 0; })).toBeGreaterThan(1e-4);
  expect(damaged((values) => { values[values.length - 1] = Number.NaN; })).toBe(Infinity);
  expect(damaged((values) => { values.unshift(values.pop()!); })).toBeGreaterThan(1e-2);
  expect(damaged((values) => { values.fill(0, values.length - 3); })).toBeGreaterThan(1e-4);
});
