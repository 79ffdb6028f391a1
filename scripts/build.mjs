#!/usr/bin/env node
/**
 * Builds the package: WGSL and WASM become ES modules under src/generated, then TypeScript becomes dist/.
 *
 *   node scripts/build.mjs              everything
 *   node scripts/build.mjs wgsl kernels physics types     only the named stages
 *
 * Stages
 *   wgsl      kernels/**.wgsl        -> src/generated/wgsl.ts            text by "room/name", comments stripped
 *   kernels   assembly/kernels       -> src/generated/kernels-wasm.ts    plain and relaxed SIMD builds of the program runner
 *   physics   assembly/envs          -> src/generated/physics-wasm.ts    the environments
 *   page      src/cli/label/page     -> src/generated/label-page.ts      the labelling page, its script bundled
 *   types     src                    -> dist
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { hashSources, root, stampFile } from "./bootstrap.mjs";

const run = promisify(execFile);
const generated = path.join(root, "src/generated");
const wasmFolder = path.join(root, "build");

/** First bytes of linear memory that each module's constants may use; the heap of the host starts at 131,072. */
const MEMORY_BASE = { kernels: 1024, physics: 65536 };

async function filesBelow(folder, ending) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .sort();
}

/** Full-line and trailing comments go; WGSL has no strings, so `//` always starts a comment. */
function stripComments(source) {
  return source
    .split("\n")
    .map((line) => line.replace(/\/\/.*$/, "").trimEnd())
    .filter((line) => line !== "")
    .join("\n");
}

async function buildWgsl() {
  const folder = path.join(root, "kernels");
  const files = await filesBelow(folder, ".wgsl");
  const entries = await Promise.all(
    files.map(async (file) => {
      const text = stripComments(await readFile(path.join(folder, file), "utf8"));
      return `  ${JSON.stringify(file.replace(/\.wgsl$/, ""))}: ${JSON.stringify(text)},`;
    }),
  );
  await writeGenerated("wgsl.ts", `/** WGSL by "room/name", without comments; the commented files are in the folder kernels of the package. */\nexport const wgsl: Readonly<Record<string, string>> = {\n${entries.join("\n")}\n};\n`);
}

async function writeGenerated(name, body) {
  await mkdir(generated, { recursive: true });
  await writeFile(path.join(generated, name), `// Made by scripts/build.mjs. Do not edit.\n${body}`);
}

/**
 * The op code of a WASM kernel is its place in the sorted list of files. The dispatcher is one switch, which the
 * compiler turns into a jump table; the same list goes into the generated module so that the host knows the codes.
 */
async function writeDispatcher() {
  const files = (await filesBelow(path.join(root, "assembly/kernels"), ".ts")).filter((file) => !file.startsWith("lib/"));
  const names = files.map((file) => file.replace(/\.ts$/, ""));
  const identifier = (name) => name.split("/").at(-1).replace(/-([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  const lines = [
    "// Made by scripts/build.mjs from the files of assembly/kernels. Do not edit.",
    ...names.map((name) => `import { ${identifier(name)} } from "../kernels/${name}";`),
    "",
    "export function dispatch(op: u32, args: usize, from: u32, to: u32): void {",
    "  switch (op) {",
    ...names.map((name, code) => `    case ${code}: ${identifier(name)}(args, from, to); break;`),
    "    default: unreachable();",
    "  }",
    "}",
    "",
  ];
  await mkdir(path.join(root, "assembly/generated"), { recursive: true });
  await writeFile(path.join(root, "assembly/generated/dispatch.ts"), lines.join("\n"));
  return names.map((name) => name.replaceAll("-", "_"));
}

async function compile(entry, output, base, features) {
  await mkdir(wasmFolder, { recursive: true });
  const file = path.join(wasmFolder, output);
  const asc = path.join(root, "node_modules/assemblyscript/bin/asc.js");
  await run(process.execPath, [
    asc, entry, "--outFile", file,
    "--runtime", "stub", "--importMemory", "--sharedMemory", "--initialMemory", "2", "--maximumMemory", "65536",
    "--memoryBase", String(base), "-O3", "--noAssert", "--uncheckedBehavior", "always",
    "--use", "abort=",
    // Keeps calls through the table from being made direct and inlined: assembly/lib/team.ts needs a frame of its own.
    "--exportTable",
    ...features.flatMap((feature) => ["--enable", feature]),
  ], { cwd: root });
  return (await readFile(file)).toString("base64");
}

async function buildKernels() {
  const operators = await writeDispatcher();
  const [plain, relaxed] = await Promise.all([
    compile("assembly/runner/index.ts", "kernels.wasm", MEMORY_BASE.kernels, ["simd", "threads"]),
    compile("assembly/runner/index.ts", "kernels-relaxed.wasm", MEMORY_BASE.kernels, ["simd", "threads", "relaxed-simd"]),
  ]);
  await writeGenerated("kernels-wasm.ts", [
    `export const plainSimd: string =\n  ${JSON.stringify(plain)};`,
    `export const relaxedSimd: string =\n  ${JSON.stringify(relaxed)};`,
    "/** Names of the kernels; the index is the op code of the program runner. */",
    `export const operators: readonly string[] = ${JSON.stringify(operators, null, 2)};`,
    "",
  ].join("\n"));
}

async function buildPhysics() {
  const bytes = await compile("assembly/envs/index.ts", "physics.wasm", MEMORY_BASE.physics, ["simd", "threads"]);
  await writeGenerated("physics-wasm.ts", `export const physics: string =\n  ${JSON.stringify(bytes)};\n`);
}

/** The files of the labelling page as they are served; its script is bundled from TypeScript. */
async function buildPage() {
  const folder = path.join(root, "src/cli/label/page");
  const { build } = await import("vite");
  const [{ output }] = await build({
    configFile: false, logLevel: "error", root: folder,
    build: { write: false, target: "es2022", minify: true, lib: { entry: path.join(folder, "page.ts"), formats: ["es"], fileName: () => "page.js" } },
  });
  const read = (name) => readFile(path.join(folder, name), "utf8");
  const files = [
    ["/", "text/html; charset=utf-8", await read("index.html")],
    ["/page.css", "text/css; charset=utf-8", await read("page.css")],
    ["/page.js", "text/javascript; charset=utf-8", output[0].code],
    ["/icon.svg", "image/svg+xml", await read("icon.svg")],
  ];
  await writeGenerated("label-page.ts", [
    "/** The files of the labelling page by their paths. */",
    "export const labelPage: ReadonlyMap<string, { readonly type: string; readonly body: string }> = new Map([",
    ...files.map(([place, type, body]) => `  [${JSON.stringify(place)}, { type: ${JSON.stringify(type)}, body: ${JSON.stringify(body)} }],`),
    "]);",
    "",
  ].join("\n"));
}

async function buildTypes() {
  await rm(path.join(root, "dist"), { recursive: true, force: true });
  await run(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"], { cwd: root });
}

const stages = { wgsl: buildWgsl, kernels: buildKernels, physics: buildPhysics, page: buildPage, types: buildTypes };
const asked = process.argv.slice(2);
for (const name of asked) {
  if (!(name in stages)) {
    process.stderr.write(`build: no stage "${name}"; the stages are ${Object.keys(stages).join(", ")}\n`);
    process.exit(2);
  }
}
const chosen = asked.length > 0 ? asked : Object.keys(stages);
try {
  // The stamp says which sources the outputs are of. It is gone while they are mixed.
  await rm(stampFile, { force: true });
  const hash = await hashSources();
  await Promise.all(chosen.filter((name) => name !== "types").map((name) => stages[name]()));
  if (chosen.includes("types")) await stages.types();
  if (chosen.length === Object.keys(stages).length) {
    await mkdir(path.dirname(stampFile), { recursive: true });
    await writeFile(stampFile, hash);
  }
} catch (error) {
  process.stderr.write(`${error.stdout ?? ""}${error.stderr ?? ""}${error.message ?? error}\n`);
  process.exit(1);
}
