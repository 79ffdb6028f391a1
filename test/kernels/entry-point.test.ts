import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as entryPoint from "../../src/kernels/index.js";

const folder = new URL("../../src/kernels/", import.meta.url);
const operators = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((file) => /^(?!self-test).+[\\/].+\.ts$/.test(file));

describe("difftune/kernels", () => {
  test("has the typed spec of every kernel by name", () => {
    const specs = Object.entries(entryPoint).filter(([name]) => name.endsWith("Spec")).map(([, spec]) => spec as { readonly name: string });
    expect(specs.map(({ name }) => name).sort()).toEqual(entryPoint.kernels.map(({ name }) => name).sort());
    for (const spec of specs) expect(entryPoint.kernels).toContain(spec);
  });

  test.each(operators)("has everything that %s offers", async (file) => {
    const offered = await import(new URL(file, folder).href) as Record<string, unknown>;
    const names = Object.keys(offered).filter((name) => !name.endsWith("Kernels"));
    expect(names.length).toBeGreaterThan(1);
    expect(entryPoint).toMatchObject(Object.fromEntries(names.map((name) => [name, offered[name]])));
  });
});
