/** How a cell is run: its folder, its training, its evaluation, its policy. */
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { RunFolder } from "../../dist/cli/run-folder.js";
import { evaluate, Policy } from "../../dist/index.js";

/** Milliseconds between two checkpoints. */
const checkpointMs = 30_000;

/** The file that says that a cell is done. */
const doneFile = "cell.json";

/**
 * Runs a cell in a folder of its own; what is half done goes on where it stopped.
 *
 * @param kinds how each kind of cell is run  @param context the device, where cells lie, what to tell, when to stop
 */
export async function runCell(kinds, cell, context) {
  const folder = path.join(context.root, cell.id);
  await mkdir(folder, { recursive: true });
  const started = performance.now();
  const outcome = await kinds[cell.kind](cell, { ...context, folder });
  const seconds = (performance.now() - started) / 1000;
  const done = { cell, engine: context.device.info, seconds, ...outcome };
  const file = path.join(folder, doneFile);
  await writeFile(`${file}.tmp`, `${JSON.stringify(done, null, 1)}\n`);
  await rename(`${file}.tmp`, file);
}

/** Makes an environment for as long as `work` lasts. */
export async function withEnvironment(env, work) {
  try {
    return await work(env);
  } finally {
    env.close();
  }
}

/**
 * Runs a training to its end: logs, keeps checkpoints, stops when asked. Gives the last event.
 *
 * @param reader name, place and words of an event, and what is measured after it (a record of the log, or nothing)
 */
export async function drive(training, { folder }, { signal, tell }, { event: name, place, words, measure }) {
  let last;
  let savedMs = performance.now();
  for await (const event of training) {
    await folder.append({ event: name, ...event });
    tell(words(event));
    last = event;
    const measured = await measure?.(event);
    if (measured !== undefined) await folder.append(measured);
    if (!signal.aborted && performance.now() - savedMs < checkpointMs) continue;
    await folder.saveCheckpoint(await training.save(), { iteration: place(event) });
    savedMs = performance.now();
    signal.throwIfAborted();
  }
  return last;
}

/** Evaluates to the end, and tells how far it is. */
export async function evaluateAll(policy, env, options, { device, signal, tell }) {
  let last;
  for await (const snapshot of evaluate(device, policy, env, { ...options, signal })) {
    tell(`evaluation ${snapshot.episodes} of ${snapshot.wanted}, success ${snapshot.success.mean.toFixed(2)}`);
    last = snapshot;
  }
  return last;
}

/** The policy of a cell that is done. */
export async function policyOf(id, { root }) {
  return Policy.decode(await readFile(path.join(root, id, "policy.safetensors")));
}

/** The run folder of a cell, new or taken up again, with the state to go on from. */
export async function openRun(cell, { folder, device, command }, { method, environment, seed, options }) {
  const isHalf = await access(path.join(folder, "run.json")).then(() => true, () => false);
  if (isHalf) {
    const run = await RunFolder.open(folder, { keep: 0 });
    const { checkpoint } = await run.readState();
    await run.goOn(checkpoint);
    return { folder: run, resume: checkpoint === undefined ? {} : { resume: checkpoint.state } };
  }
  // What a kill has left that is no run yet.
  await rm(folder, { recursive: true, force: true });
  const startedAt = new Date().toISOString();
  const description = { command, method, environment, seed, engine: { ...device.info }, options: { ...options, cell }, startedAt };
  return { folder: await RunFolder.create(folder, description, { keep: 0 }), resume: {} };
}
