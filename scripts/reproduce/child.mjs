/** The process of one cell: takes it from its parent, says what happens, and ends with 0, 1, or 130 when it was stopped. */
import { createDevice, DifftuneError, enableRelaxedSimd } from "../../dist/index.js";
import { runCell } from "./cell-run.mjs";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { stop.abort(new DifftuneError("CANCELLED", `Stopped by ${signal}.`)); });
// A parent that is gone stops its children.
process.on("disconnect", () => { stop.abort(new DifftuneError("CANCELLED", "The parent process is gone.")); });

process.once("message", async ({ runner, cell, root, threads, engine, command }) => {
  let device;
  try {
    enableRelaxedSimd();
    device = await createDevice({ engine, wasm: { threads } });
    const { kinds } = await import(new URL(runner, import.meta.url));
    await runCell(kinds, cell, { device, root, command, signal: stop.signal, tell: (words) => { if (process.connected) process.send({ tell: words }); } });
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = stop.signal.aborted ? 130 : 1;
    if (process.connected) process.send({ failure: error.message });
    if (!(error instanceof DifftuneError)) process.stderr.write(`${error.stack}\n`);
  }
  device?.close();
  if (process.connected) process.disconnect();
});
