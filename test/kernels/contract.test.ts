import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { WgslReflect, type FunctionInfo, type VariableInfo } from "wgsl_reflect";
import { kernelTable } from "../../scripts/kernel-table.mjs";
import type { AnyKernelSpec } from "../../src/engine/kernel-spec.js";
import { shaderSource } from "../../src/engine/webgpu/shader.js";
import { operators } from "../../src/generated/kernels-wasm.js";
import { wgsl } from "../../src/generated/wgsl.js";
import { kernels } from "../../src/kernels/registry.js";

/** Default limits of WebGPU: correctness lives inside them. */
const limits = { storageBuffers: 8, invocations: 256, workgroupBytes: 16_384 };

/** How a header says that a shader looks at the bits of an f32 buffer: it may not compare NaN. */
const asBits = ", read as its bits";

const text = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const shaderFile = (spec: AnyKernelSpec): string => text(`kernels/${spec.name}.wgsl`);
const twinFile = (spec: AnyKernelSpec): string => text(`assembly/kernels/${spec.name.replaceAll("_", "-")}.ts`);

/** An entry of a header, its continuation lines joined; `formula` is the first line. */
function headerEntry(source: string, name: string): string {
  const lines = source.split("\n").map((line) => /^\/\/ (.*)$/.exec(line)?.[1]);
  const start = name === "formula" ? 0 : lines.findIndex((line) => line?.startsWith(`${name} `) === true);
  if (start === -1) return "";
  const entry = [lines[start] ?? ""];
  for (const line of lines.slice(start + 1)) {
    if (line === undefined || !line.startsWith("  ")) break;
    entry.push(line);
  }
  return entry.map((line) => line.trim()).join(" ").replace(/\s+/g, " ");
}

/**
 * The declarations of a shader, its functions emptied: the reflection library does not parse every statement of WGSL,
 * and the statements are Dawn's to judge.
 */
function declarations(source: string): string {
  let kept = "";
  let depth = 0;
  let isFunction = false;
  for (const word of source.split(/(\bfn\b|[{}])/)) {
    if (word === "fn" && depth === 0) isFunction = true;
    if (word === "}") depth -= 1;
    if (depth === 0 || !isFunction) kept += word;
    if (word === "}" && depth === 0) isFunction = false;
    if (word === "{") depth += 1;
  }
  return kept;
}

/** What shader and twin must agree on: not how one looks at bits, nor memory that only the twin uses. */
function contract(entry: string): string {
  return entry.replaceAll(asBits, "").replace(/; scratch\b.*$/, "");
}

function workgroupSize({ attributes }: FunctionInfo): number {
  const value = attributes?.find(({ name }) => name === "workgroup_size")?.value ?? "1";
  return [value].flat().reduce((product: number, size) => product * Number(size), 1);
}

function scalarOf({ type, format }: VariableInfo): string {
  const name = format?.name ?? type.name;
  // Four lanes of one scalar are how a buffer may be read faster.
  return /^(?:vec4<)?(f32|u32|i32)/.exec(name === "vec4f" ? "f32" : name)?.[1] ?? name;
}

test("specs, shaders and SIMD twins are one list", () => {
  const specs = kernels.map((spec) => spec.name).sort();
  expect(new Set(specs).size).toBe(specs.length);
  expect(Object.keys(wgsl).filter((name) => !name.startsWith("lib/")).sort()).toEqual(specs);
  expect([...operators].sort()).toEqual(specs);
});

test("every snippet of kernels/lib is used by a kernel", () => {
  const used = new Set(kernels.flatMap((spec) => spec.lib ?? []));
  const snippets = Object.keys(wgsl).filter((name) => name.startsWith("lib/")).map((name) => name.slice("lib/".length));
  expect(snippets.filter((name) => !used.has(name))).toEqual([]);
});

test("kernels/README.md is the table of their headers: npm run kernel-table", async () => {
  expect(text("kernels/README.md")).toBe(await kernelTable());
});

describe.each(kernels.map((spec) => [spec.name, spec] as const))("%s", (_, spec) => {
  const reflection = new WgslReflect(declarations(shaderSource(spec)));

  test("its Params are the spec's, in order, of a size that is a multiple of 16", () => {
    const [uniform] = reflection.uniforms;
    expect(reflection.uniforms.length).toBe(1);
    expect({ group: uniform?.group, binding: uniform?.binding, rest: (uniform?.size ?? 1) % 16 }).toEqual({ group: 0, binding: 0, rest: 0 });
    const fields = (uniform?.members ?? []).filter(({ name }) => !/^pad\d*$/.test(name));
    expect(fields.map(({ name, type }) => [name, type.name])).toEqual(Object.entries(spec.params));
  });

  test("its bindings are the spec's buffers: names, order, access and type", () => {
    const shapes = headerEntry(shaderFile(spec), "shapes");
    const expected = Object.entries(spec.buffers).map(([name, { access, dtype = "f32" }], at) => {
      const type = new RegExp(`\\b${name} [^;]*${asBits}`).test(shapes) ? "u32" : dtype;
      return { name, group: 0, binding: at + 1, access: access === "read" ? "read" : "read_write", type };
    });
    const found = [...reflection.storage].sort((a, b) => a.binding - b.binding).map((variable) => ({
      name: variable.name, group: variable.group, binding: variable.binding, access: variable.access, type: scalarOf(variable),
    }));
    expect(found).toEqual(expected);
  });

  test("its entry points are the spec's", () => {
    expect(reflection.entry.compute.map(({ name }) => name).sort()).toEqual(Object.keys(spec.entryPoints).sort());
  });

  test("it stays within the default limits of WebGPU, and its header names what it takes", () => {
    const invocations = Math.max(...reflection.entry.compute.map(workgroupSize));
    const storageBuffers = Object.keys(spec.buffers).length;
    expect(storageBuffers).toBeLessThanOrEqual(limits.storageBuffers);
    expect(invocations).toBeLessThanOrEqual(limits.invocations);
    const named = /(\d[\d,]*) bytes, (\d+) invocations?, (\d+) storage buffers?/.exec(headerEntry(shaderFile(spec), "limits"));
    expect(named?.slice(2).map(Number)).toEqual([invocations, storageBuffers]);
    expect(Number(named?.[1]?.replaceAll(",", ""))).toBeLessThanOrEqual(limits.workgroupBytes);
  });

  test("shader and twin open with the same formula and shapes", () => {
    for (const entry of ["formula", "shapes"]) {
      expect(contract(headerEntry(twinFile(spec), entry))).toBe(contract(headerEntry(shaderFile(spec), entry)));
    }
  });

  test("its header names a test of it", () => {
    const [file = "none"] = /test\/[\w/-]+\.test\.ts/.exec(headerEntry(shaderFile(spec), "test")) ?? [];
    const operator = (spec.name.split("/").at(-1) ?? "").replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
    expect(existsSync(new URL(`../../${file}`, import.meta.url)) ? text(file) : `no file ${file}`).toContain(operator);
  });
});
