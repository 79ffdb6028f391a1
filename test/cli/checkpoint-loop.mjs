/**
 * Writes checkpoints into a run's folder as fast as it can, from wherever the run stands, and says after each that it is on the
 * disk. The test of run folders kills it. Words: module of the run folder, folder.
 */
const [, , runFolder, safetensors, folder] = process.argv;
const { RunFolder } = await import(runFolder);
const { storeFloats, writeSafetensors } = await import(safetensors);

const run = await RunFolder.open(folder, { keep: 2 });
const { checkpoint } = await run.readState();
await run.goOn(checkpoint);
process.stdout.write("open\n");
for (let iteration = (checkpoint?.iteration ?? -1) + 1; ; iteration++) {
  await run.append({ event: "iteration", iteration });
  const state = writeSafetensors({ tensors: new Map([["values", storeFloats([20_000], new Float32Array(20_000).fill(iteration))]]) });
  await run.saveCheckpoint(state, { iteration, score: [0, iteration % 7] });
  process.stdout.write(`${iteration}\n`);
}
