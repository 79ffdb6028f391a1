#!/usr/bin/env node
import { enableRelaxedSimd } from "../engine/create-device.js";
import { runCommandLine } from "./command-line.js";

// This process is ours: where fused multiply-add is behind a flag (Node 20), it is switched on.
enableRelaxedSimd();

// A reader that closes the pipe early (`difftune doctor | head -3`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

// Nor is a parent that is gone: what there is to save is still saved.
process.stderr.on("error", () => undefined);

process.exitCode = await runCommandLine(process.argv.slice(2));
