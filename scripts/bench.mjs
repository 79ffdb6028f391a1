#!/usr/bin/env node
/** `npm run bench -- <suites> [flags]`: installs, builds, compiles bench/ and runs it; see bench/run.ts for the flags. */
import path from "node:path";
import { ensureBuilt, ensureInstalled, root, runCommand, say } from "./bootstrap.mjs";

try {
  await ensureInstalled();
  await ensureBuilt();
  const compiled = await runCommand(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.bench.json"]);
  process.exitCode = compiled === 0
    ? await runCommand(process.execPath, ["build/bench/bench/run.js", ...process.argv.slice(2)])
    : compiled;
} catch (error) {
  say(`bench: ${error.message}`);
  process.exitCode = 1;
}
