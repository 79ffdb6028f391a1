#!/usr/bin/env node
/** `npm run quickstart`: installs, builds, then runs the main job on the embedded engine. Arguments go to the command. */
import { ensureBuilt, ensureInstalled, runCommand, say } from "./bootstrap.mjs";

try {
  await ensureInstalled();
  await ensureBuilt();
  process.exitCode = await runCommand(process.execPath, ["dist/cli/main.js", "quickstart", ...process.argv.slice(2)]);
} catch (error) {
  say(`quickstart: ${error.message}`);
  process.exitCode = 1;
}
