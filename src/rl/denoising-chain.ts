import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, wholeNumber } from "../core/options.js";
import { createActingNoise, recordActingNoise } from "../diffusion/acting.js";
import type { Policy } from "../diffusion/policy.js";
import { recordSampling } from "../diffusion/sampling.js";
import type { Device } from "../engine/device.js";
import type { Tensor } from "../engine/tensor.js";

const schema = v.strictObject({
  /** Chains that are drawn. */
  samples: v.optional(wholeNumber(1, 65_536), 256),
  seed: v.optional(wholeNumber(0, 0xffffffff), 0),
  /** Denoising steps from the end that are shown; all of the chain if it has fewer. */
  steps: v.optional(wholeNumber(0, 1_000_000), 10),
  /** Without exploration noise. */
  isDeterministic: v.optional(v.boolean("It must be true or false."), false),
});

/** Options of {@link chainOf}. */
export type ChainOptions = v.InferInput<typeof schema>;

/** One decision, drawn many times: how its first executed action takes shape. */
export interface DenoisingChain {
  /** Names of the two coordinates of a point: the first two of an action. */
  readonly axes: readonly [x: string, y: string];
  readonly steps: readonly {
    /** Denoising steps that are still to come: 0 for the action itself. */
    readonly step: number;
    /** x0, y0, x1, y1, ...: one point a sample, in units of the environment. Sample i is the same chain in every step. */
    readonly points: readonly number[];
  }[];
}

/**
 * Draws the denoising chain of one decision many times (DPPO, figure 11). A Gaussian or mixture policy has no chain: only
 * its actions are shown.
 *
 * @param observation one observation stack [To, D] in units of the environment
 */
export async function chainOf(device: Device, policy: Policy, observation: ArrayLike<number>, options: ChainOptions = {}): Promise<DenoisingChain> {
  const { samples, seed, steps, isDeterministic } = parseOptions(schema, options, "chainOf");
  const { actionNames: [x, y] } = policy.options;
  if (x === undefined || y === undefined) {
    throw new DifftuneError("OPTION", `The actions are one number, "${x}"; a point of the plane needs two.`, { path: "policy" });
  }
  if (observation.length !== policy.conditionWidth) {
    throw new DifftuneError("SHAPE", `chainOf got ${observation.length} numbers; an observation stack of the policy has ${policy.conditionWidth}.`, {
      expected: policy.conditionWidth,
      got: observation.length,
    });
  }
  const seen = new Float32Array(samples * policy.conditionWidth);
  for (let place = 0; place < seen.length; place++) seen[place] = observation[place % observation.length]!;
  const axes = Object.freeze([x, y] as const);
  if (policy.model.kind === "stochastic") {
    using actor = await policy.on(device, { count: samples, isDeterministic, seed });
    const { chunking, actionSize } = policy;
    return Object.freeze({ axes, steps: Object.freeze([shownStep(0, await actor.act(seen), 0, chunking.actionSteps * actionSize)]) });
  }
  const { denoiser, process } = policy.model;
  const recordedSteps = Math.min(steps, process.stepCount);
  policy.normaliser.normaliseObservations(seen, seen);
  const owned: Tensor[] = [];
  const keep = (tensor: Tensor): Tensor => { owned.push(tensor); return tensor; };
  try {
    const { chunkWidth: width, tuned } = policy;
    const frozen = keep(device.tensor([policy.values.length], { label: "policy", data: policy.values }));
    const tunedValues = tuned === undefined ? undefined : keep(device.tensor([tuned.values.length], { label: "tuned policy", data: tuned.values }));
    const state = keep(device.tensor([samples, policy.conditionWidth], { label: "state", data: seen }));
    const chunk = keep(device.tensor([samples, width], { label: "chunks" }));
    const chain = keep(device.tensor([samples, recordedSteps + 1, width], { label: "chains" }));
    const tables = process.tables(device, { isDeterministic });
    owned.push(tables.schedule, tables.times);
    const noise = createActingNoise(device, policy, samples);
    keep(noise.normals);
    using program = await device.program("denoising chain", (recorder) => {
      recordActingNoise(recorder, noise, seed);
      recordSampling(recorder, denoiser, process, tables, { frozen, tuned: tunedValues, state, noise: noise.normals, chunk, chain }, {
        rows: samples, tunedSteps: tuned?.steps ?? 0, recordedSteps, isDeterministic,
      });
    });
    program.run();
    const latents = await device.read(recordedSteps === 0 ? chunk : chain);
    policy.normaliser.restoreActions(latents, latents);
    const first = policy.chunking.firstAction * policy.actionSize;
    const stride = (recordedSteps + 1) * width;
    return Object.freeze({
      axes,
      steps: Object.freeze(Array.from({ length: recordedSteps + 1 }, (_, slot) => shownStep(recordedSteps - slot, latents, slot * width + first, stride))),
    });
  } finally {
    for (const tensor of owned) device.free(tensor);
  }
}

/** The two numbers at `first` of every row. */
function shownStep(step: number, values: Float32Array, first: number, stride: number): DenoisingChain["steps"][number] {
  const points: number[] = [];
  for (let row = first; row < values.length; row += stride) points.push(values[row]!, values[row + 1]!);
  return Object.freeze({ step, points: Object.freeze(points) });
}
