import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { pretrain, type PretrainEvent } from "../algorithms/pretrain.js";
import { wholeNumber } from "../core/options.js";
import { PhiloxStream } from "../core/philox.js";
import { DatasetBuilder, type Dataset } from "../data/dataset.js";
import { createDevice } from "../engine/create-device.js";
import type { Device } from "../engine/device.js";
import { encodePng } from "../envs/drawing/encode.js";
import { exitCodes, type Command } from "./command.js";
import { pathOption, sharedOptions } from "./options.js";
import { ProgressLine } from "./progress.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { scatterPicture, scatterText } from "./scatter.js";
import { formatSelfTest, runSelfTest } from "./self-test-table.js";
import { formatPairs, printLine } from "./terminal.js";

const mixture = { modes: 8, radius: 0.7, spread: 0.05 } as const;
const dataRows = 4096;
const sampleRows = 1024;
const denoisingSteps = 20;

const hidden = [128, 128, 128];
const batchSize = 256;
const rate = 5e-3;

/** What counts as learned: every mode found, and few samples between them. The best possible denoiser gets 0.94 in 20 steps. */
const leastNearShare = 0.7;

interface Judgement {
  /** Modes that got at least half of their share of the samples. */
  readonly modesFound: number;
  /** Share of samples within three deviations of a mode; 0.989 for the mixture itself. */
  readonly nearShare: number;
}

function judge(points: ArrayLike<number>): Judgement {
  const { modes, radius, spread } = mixture;
  const counts = new Array<number>(modes).fill(0);
  let near = 0;
  const rows = points.length / 2;
  for (let row = 0; row < rows; row++) {
    const [x, y] = [points[2 * row]!, points[2 * row + 1]!];
    const turn = Math.round((Math.atan2(y, x) / (2 * Math.PI)) * modes);
    const mode = ((turn % modes) + modes) % modes;
    const angle = (2 * Math.PI * mode) / modes;
    counts[mode] = counts[mode]! + 1;
    if (Math.hypot(x - radius * Math.cos(angle), y - radius * Math.sin(angle)) <= 3 * spread) near += 1;
  }
  return { modesFound: counts.filter((count) => count >= rows / modes / 2).length, nearShare: near / rows };
}

/** Points of the ring, as decisions without a state to decide from. */
function ring(seed: number): Dataset {
  const { modes, radius, spread } = mixture;
  const random = new PhiloxStream(seed, 0);
  const builder = new DatasetBuilder({ environment: "ring", options: mixture, observationNames: ["nothing"], actionNames: ["x", "y"] });
  const actions = new Float32Array(2 * dataRows);
  for (let row = 0; row < dataRows; row++) {
    const angle = (2 * Math.PI * random.below(modes)) / modes;
    actions[2 * row] = radius * Math.cos(angle) + spread * random.normal();
    actions[2 * row + 1] = radius * Math.sin(angle) + spread * random.normal();
  }
  const observations = new Float32Array(dataRows);
  builder.add({ observations, actions, rewards: new Float32Array(dataRows), seed, success: true, label: "" });
  return builder.build();
}

function describe({ step, steps, loss, seconds }: PretrainEvent): string {
  return `training: step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${((1000 * seconds) / step).toFixed(1)} ms a step`;
}

async function train(device: Device, steps: number, seed: number): Promise<{ data: Float32Array; samples: Float32Array }> {
  const data = ring(seed);
  const progress = new ProgressLine();
  const training = pretrain(device, data, {
    horizon: 1,
    network: { kind: "diffusion-mlp", hidden, process: { denoisingSteps } },
    batchSize, rate, seed,
    epochs: Math.ceil((steps * batchSize) / dataRows),
  });
  let last: PretrainEvent | undefined;
  for await (const event of training) progress.show(describe((last = event)));
  if (last !== undefined) progress.end(describe(last));
  const policy = await training.policy();
  using actor = await policy.on(device, { count: sampleRows, seed });
  return { data: data.actions.subarray(0, 2 * sampleRows), samples: await actor.act(new Float32Array(sampleRows)) };
}

const schema = v.strictObject({
  engine: sharedOptions.engine,
  steps: v.pipe(v.optional(wholeNumber(1, 1_000_000), 4000), v.description("Training steps.")),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 0), v.description("Seed of data, parameters and noise.")),
  out: v.optional(pathOption("Folder of the picture."), "runs/quickstart"),
});

/** `difftune quickstart`: the self-test, then a denoiser that learns a ring of Gaussians, in under a minute. */
export const quickstart: Command = {
  name: "quickstart",
  description: "Test the engine, then train a small diffusion model and draw what it learned.",
  examples: [{ what: "In under a minute", words: "quickstart" }],
  sections: () => [{ title: "Options", schema }],
  execute: async (options) => {
    const { engine: engineName, steps: stepCount, seed: seedNumber, out } = options.read(schema);
    if (!isQuietChild()) return runQuietly();
    using device = await createDevice({ engine: engineName });
    printLine(`engine     ${device.info.description}`);
    const rows = await runSelfTest(device);
    if (rows.some((row) => !row.passed)) {
      printLine(formatSelfTest(rows.filter((row) => !row.passed)));
      return exitCodes.failed;
    }
    const { data, samples } = await train(device, stepCount, seedNumber);
    const folder = path.resolve(out);
    await mkdir(folder, { recursive: true });
    const file = path.join(folder, "mixture.png");
    await writeFile(file, await encodePng(scatterPicture([
      { title: "data", points: data, colour: [40, 44, 52, 0.5] },
      { title: "samples", points: samples, colour: [31, 111, 235, 0.5] },
    ])));
    const { modesFound, nearShare } = judge(samples);
    printLine(scatterText(samples, 48));
    printLine(formatPairs([
      ["modes", `${modesFound} of ${mixture.modes} found`],
      ["samples", `${(100 * nearShare).toFixed(1)} % within three deviations of a mode (the data: ${(100 * judge(data).nearShare).toFixed(1)} %)`],
      ["picture", path.relative("", file)],
    ]));
    return modesFound === mixture.modes && nearShare >= leastNearShare ? exitCodes.done : exitCodes.failed;
  },
};
