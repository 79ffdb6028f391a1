import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { build, type Rolldown } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { expectBuilt } from "./expect-built.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = path.join(root, "node_modules");
const run = promisify(execFile);

let folder = "";
let archive: string;
let packed: readonly { readonly path: string; readonly size: number }[];

/** Packs the package and installs the archive in an empty folder, without the optional WebGPU package. */
beforeAll(async () => {
  await expectBuilt();
  folder = await mkdtemp(path.join(tmpdir(), "difftune-package-"));
  const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], { cwd: root });
  const [packing] = JSON.parse(stdout) as [{ filename: string; files: typeof packed }];
  packed = packing.files;
  archive = path.join(folder, packing.filename);
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  await run("npm", ["install", "--omit=optional", "--prefer-offline", "--no-audit", "--no-fund", archive], { cwd: folder });
});

afterAll(async () => {
  if (folder !== "") await rm(folder, { recursive: true, force: true });
});

/** Runs a module in the consumer's folder and gives what it printed. */
async function runModule(source: string): Promise<string> {
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", source], { cwd: folder });
  return stdout.trim();
}

/** What the compiler says about a consumer's file, nothing if it is content. */
async function typeCheck(name: string, source: string, options: Readonly<Record<string, unknown>>): Promise<string> {
  const place = path.join(folder, name);
  await mkdir(place, { recursive: true });
  await writeFile(path.join(place, "main.ts"), source);
  await writeFile(path.join(place, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(
    path.join(place, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { strict: true, exactOptionalPropertyTypes: true, noEmit: true, target: "ES2023", ...options }, files: ["main.ts"] }),
  );
  try {
    await run(process.execPath, [path.join(modules, "typescript/bin/tsc"), "-p", place]);
    return "";
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

/** Bundles a browser entry of the consumer; gives the code of all chunks and the warnings. */
async function bundle(name: string, source: string): Promise<{ code: string; warnings: string[] }> {
  const entry = path.join(folder, name);
  await writeFile(entry, source);
  const warnings: string[] = [];
  const result = (await build({
    configFile: false,
    root: folder,
    logLevel: "silent",
    build: {
      write: false,
      minify: true,
      lib: { entry, formats: ["es"], fileName: "bundle" },
      rolldownOptions: { onLog: (level, { message }) => { if (level === "warn") warnings.push(message); } },
    },
  })) as Rolldown.RolldownOutput[];
  const chunks = result.flatMap(({ output }) => output).filter((output) => output.type === "chunk");
  return { code: chunks.map((chunk) => chunk.code).join("\n"), warnings };
}

const everything = `
  import * as difftune from "difftune";
  import * as kernels from "difftune/kernels";
  import * as envs from "difftune/envs";
`;

describe("the archive", () => {
  test("holds the built library, the kernels to read, and the papers; nothing else", () => {
    const expected = /^(dist\/.*\.(js|d\.ts)|kernels\/(README\.md|.*\.wgsl)|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
    expect(packed.map((file) => file.path).filter((file) => !expected.test(file))).toEqual([]);
    const files = new Set(packed.map((file) => file.path));
    for (const file of ["README.md", "CHANGELOG.md", "LICENSE", "dist/index.js", "dist/index.d.ts", "dist/cli/main.js"]) {
      expect(files).toContain(file);
    }
  });

  test("is small: under 3.5 MB unpacked", () => {
    expect(packed.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(3_500_000);
  });

  test("brings no dependency but the declared few", async () => {
    const installed = (await readdir(path.join(folder, "node_modules"))).filter((name) => !name.startsWith("."));
    const theirs = [
      // What the readers of Zarr and Parquet are made of.
      "@zarrita", "fzstd", "hysnappy", "numcodecs", "reference-spec-reader", "unzipit",
      // What mathjs is made of; of it all only its parser is loaded, when an expression is compiled.
      "@babel", "complex.js", "decimal.js", "escape-latex", "fraction.js", "javascript-natural-sort", "seedrandom", "tiny-emitter", "typed-function",
    ];
    expect(installed.sort()).toEqual(["difftune", ...Object.keys(manifest.dependencies), ...theirs].sort());
  });

  test("is content for publint", async () => {
    const { messages, pkg } = await publint({ pkgDir: path.join(folder, "node_modules/difftune"), strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test("has types that resolve for every ESM consumer", async () => {
    const attw = path.join(modules, "@arethetypeswrong/cli/dist/index.js");
    const { stdout } = await run(process.execPath, [attw, archive, "--profile", "esm-only", "--no-definitely-typed", "--format", "json"], {
      maxBuffer: 2 ** 26,
    });
    const { analysis, problems = {} } = JSON.parse(stdout) as {
      analysis: { entrypoints: object };
      problems?: Readonly<Record<string, readonly { resolutionKind?: string }[]>>;
    };
    expect(Object.keys(analysis.entrypoints)).toEqual(expect.arrayContaining([".", "./kernels", "./envs"]));
    // The ways of resolving that an ESM package does not serve: CommonJS types, and Node before version 12.
    const unserved = ["node10", "node16-cjs"];
    expect(Object.values(problems).flat().filter(({ resolutionKind = "" }) => !unserved.includes(resolutionKind))).toEqual([]);
  });
});

describe("in Node", () => {
  test("every entry imports, without the optional WebGPU package and without side effects", async () => {
    const printed = await runModule(`
      const before = new Set(Object.getOwnPropertyNames(globalThis));
      ${everything.replace(/import \* as (\w+) from ("[^"]+");/g, "const $1 = await import($2);")}
      const leaked = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name));
      console.log(JSON.stringify({ leaked, names: [difftune, kernels, envs].map((entry) => Object.keys(entry).length) }));
    `);
    const { leaked, names } = JSON.parse(printed) as { leaked: string[]; names: number[] };
    expect(leaked).toEqual([]);
    expect(names.every((count) => count > 0)).toBe(true);
  });

  test("nothing but the named entries can be imported", async () => {
    await expect(runModule(`await import("difftune/dist/core/errors.js")`)).rejects.toThrow(/ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });

  test("the commented shaders can be found by name", async () => {
    const file = fileURLToPath(await runModule(`console.log(import.meta.resolve("difftune/kernels/nn/linear.wgsl"))`));
    expect(await readFile(file, "utf8")).toMatch(/^\/\/ linear — /);
  });

  test("the command is installed and runs", async () => {
    const { stdout } = await run(path.join(folder, "node_modules/.bin/difftune"), ["--version"]);
    expect(stdout.trim()).toBe(manifest.version);
  });

  test("CommonJS can require it on the Node versions that allow it", async () => {
    const { stdout } = await run(process.execPath, ["--input-type=commonjs", "--eval", `console.log(typeof require("difftune").DifftuneError)`], { cwd: folder });
    expect(stdout.trim()).toBe("function");
  });
});

describe("the types of a consumer", () => {
  const source = `${everything}
    export const code: difftune.ErrorCode = new difftune.DifftuneError("SHAPE", "text").code;
    export const device: Promise<difftune.Device> = difftune.createDevice({ engine: "wasm" });
    export const texts: readonly string[] = Object.values(kernels.wgsl);
    export const all = [difftune, kernels, envs] as const;
  `;

  beforeAll(async () => {
    // A consumer that has the types of WebGPU has them in its own node_modules.
    await mkdir(path.join(folder, "with/node_modules/@webgpu"), { recursive: true });
    await symlink(path.join(modules, "@webgpu/types"), path.join(folder, "with/node_modules/@webgpu/types"));
  });

  test("check without @webgpu/types, libraries included", async () => {
    expect(await typeCheck("without", source, { module: "NodeNext", lib: ["ES2023", "ESNext.Disposable", "DOM"], types: [], skipLibCheck: false })).toBe("");
  });

  test("check with @webgpu/types", async () => {
    expect(await typeCheck("with", source, { module: "NodeNext", lib: ["ES2023", "ESNext.Disposable", "DOM"], types: ["@webgpu/types"], skipLibCheck: true })).toBe("");
  });

  test("check for Node alone, without the types of a browser", async () => {
    const typeRoots = [path.join(modules, "@types")];
    expect(await typeCheck("node", source, { module: "NodeNext", lib: ["ES2023", "ESNext.Disposable"], types: ["node"], typeRoots, skipLibCheck: true })).toBe("");
  });

  test("check for a bundler", async () => {
    expect(await typeCheck("bundled", source, { module: "ESNext", moduleResolution: "bundler", lib: ["ES2023", "DOM"], types: [], skipLibCheck: true })).toBe("");
  });

  test("the check can fail", async () => {
    expect(await typeCheck("wrong", `import { DifftuneError } from "difftune"; export const error = new DifftuneError("NONSENSE", "text");`, { module: "NodeNext", lib: ["ES2023", "DOM"], types: [], skipLibCheck: true })).toContain("NONSENSE");
  });
});

describe("bundled for a browser by Vite", () => {
  test("nothing of Node is left, and the WebGPU package is never asked for", async () => {
    const { code, warnings } = await bundle("all.js", `${everything} export { difftune, kernels, envs };`);
    expect(warnings).toEqual([]);
    expect(code).not.toMatch(/["'`]node:|worker_threads|__vite-browser-external/);
    expect(code).not.toMatch(/(from|import\()\s*["'`]webgpu["'`]/);
  });

  test("what is not used is not there", async () => {
    const { code } = await bundle("one.js", `export { DifftuneError } from "difftune";`);
    expect(code).toContain("DifftuneError");
    expect(code.length).toBeLessThan(2000);
  });

  test("the command line stays out of every entry", async () => {
    const library = await readFile(path.join(folder, "node_modules/difftune/dist/index.js"), "utf8");
    expect(library).not.toContain("cli/");
  });
});
