#!/usr/bin/env node
/** `npm run bench -- <suites> [flags]`: installs, builds, compiles bench/ and runs it; see bench/run.ts for the flags. */
import path from "node:path";
import { ensureBuilt, ensureInstalled, root, runCommand, say } from "./bootstrap.mjs";

try {
  await ensureInstalled();
  await ensureBuilt();
  const asc = path.join(root, "node_modules/assemblyscript/bin/asc.js");
  for (const [name, features] of [["plain", []], ["relaxed", ["--enable", "relaxed-simd"]]]) {
    const status = await runCommand(process.execPath, [
      asc, "assembly/bench/ceiling.ts", "--outFile", `build/ceiling-${name}.wasm`, "--runtime", "stub", "--importMemory", "--sharedMemory",
      "--initialMemory", "2", "--maximumMemory", "65536", "-O3", "--noAssert", "--use", "abort=", "--enable", "simd", "--enable", "threads", ...features,
    ]);
    if (status !== 0) throw new Error("The ceiling module does not compile: see above.");
  }
  const compiled = await runCommand(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.bench.json"]);
  process.exitCode = compiled === 0
    ? await runCommand(process.execPath, ["build/bench/bench/run.js", ...process.argv.slice(2)])
    : compiled;
} catch (error) {
  say(`bench: ${error.message}`);
  process.exitCode = 1;
}
