import * as v from "valibot";
import { finiteNumber, wholeNumber } from "../core/options.js";
import { Policy } from "../diffusion/policy.js";
import { createDevice } from "../engine/create-device.js";
import type { Device } from "../engine/device.js";
import { exitCodes, type Command } from "./command.js";
import { sharedOptions } from "./options.js";
import { openEnvironment, type Place } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { Reporter } from "./reporter.js";

const schema = v.strictObject({
  engine: sharedOptions.engine,
  hidden: v.pipe(v.optional(wholeNumber(8, 4096), 256), v.description("Width of the three layers of the diffusion policy that is timed.")),
  seconds: v.pipe(v.optional(finiteNumber(0.05, 600), 1), v.description("Time for each line, s.")),
  json: sharedOptions.json,
});

/** One line of the table. */
interface Timing {
  readonly what: string;
  /** Median time of one run, ms. */
  readonly milliseconds: number;
  /** Decisions or environment steps in a second. */
  readonly perSecond: number;
}

/** Environments stepped together in a rollout of the published runs, and actions of a chunk. */
const [environments, horizon, denoisingSteps] = [50, 4, 20];

/** Times runs of `work` for so many seconds, after one that warms up; the median hardly sees what else the machine does. */
async function time(what: string, seconds: number, countOfOne: number, work: () => unknown): Promise<Timing> {
  await work();
  const times: number[] = [];
  const started = performance.now();
  do {
    const before = performance.now();
    await work();
    times.push(performance.now() - before);
  } while (performance.now() - started < 1000 * seconds);
  times.sort((a, b) => a - b);
  const milliseconds = times[Math.floor(times.length / 2)]!;
  return { what, milliseconds, perSecond: (1000 * countOfOne) / milliseconds };
}

/** A policy with first parameters: what they are makes no difference to the time. */
function policyFor(names: { readonly observationNames: readonly string[]; readonly actionNames: readonly string[] }, hidden: number): Policy {
  const extrema = ({ length }: readonly string[]): { min: number[]; max: number[] } => ({ min: new Array<number>(length).fill(-1), max: new Array<number>(length).fill(1) });
  return Policy.create({
    ...names,
    horizon,
    statistics: { observations: extrema(names.observationNames), actions: extrema(names.actionNames) },
    network: { kind: "diffusion-mlp", process: { denoisingSteps }, hidden: [hidden, hidden, hidden], isResidual: true },
  }, 0);
}

/** What is simulated, and the action that every step executes. */
const places: readonly (Place & { readonly what: string; readonly action: readonly number[] })[] = [
  { what: "avoid (arm)", name: "avoid", options: { physics: "arm" }, action: [0.001, 0.005] },
  { what: "avoid (planar)", name: "avoid", options: { physics: "planar" }, action: [0.001, 0.005] },
  { what: "pusht", name: "pusht", options: {}, action: [256, 256] },
];

async function* timings(device: Device, hidden: number, seconds: number): AsyncGenerator<Timing> {
  const actionNames = ["x", "y"];
  const policy = policyFor({ observationNames: ["a", "b", "c", "d"], actionNames }, hidden);
  for (const count of [1, environments]) {
    using actor = await policy.on(device, { count });
    const seen = new Float32Array(count * policy.conditionWidth);
    yield await time(`decide ${count} x ${denoisingSteps} denoising steps`, seconds, count, () => actor.act(seen));
  }
  for (const { what, name, options, action } of places) {
    using env = await openEnvironment(device, policy, { name, options }, { count: environments, seed: 0 });
    for (let at = 0; at < env.actions.length; at++) env.actions[at] = action[at % action.length]!;
    await env.reset();
    yield await time(`step ${environments} x ${horizon} of ${what}`, seconds, environments * horizon, () => env.stepChunk(env.actions));
  }
}

/** `difftune bench`: how fast this machine decides and simulates. */
export const benchCommand: Command = {
  name: "bench",
  description: "Time on this machine what training spends its time on: decisions of a diffusion policy, steps of the environments.",
  examples: [{ what: "In about five seconds", words: "bench" }, { what: "The published width, on the CPU", words: "bench --engine wasm --hidden 512" }],
  sections: () => [{ title: "Options", schema }],
  execute: async (options) => {
    const { engine, hidden, seconds, json } = options.read(schema);
    if (!isQuietChild()) return runQuietly();
    const reporter = new Reporter(json);
    using device = await createDevice({ engine });
    const rows: Timing[] = [];
    for await (const timing of timings(device, hidden, seconds)) {
      rows.push(timing);
      reporter.event({ event: "timing", ...timing });
      reporter.progress(`timed ${rows.length}: ${timing.what}`);
    }
    reporter.summary({ event: "done", engine: device.info.description }, [
      ["engine", device.info.description],
      ...rows.map(({ what, milliseconds, perSecond }) => [what, `${milliseconds.toFixed(2).padStart(9)} ms, ${Math.round(perSecond)} a second`] as const),
      ["more", "every kernel and whole iterations: npm run bench, in a clone of the repository"],
    ]);
    return exitCodes.done;
  },
};
