import * as host from "#host";
import { version } from "../core/version.js";
import type { Device } from "./device.js";
import { variantsOf, type AnyKernelSpec } from "./kernel-spec.js";
import { paramsOf, type Program, type RecordedLaunch } from "./program.js";
import type { Tensor } from "./tensor.js";
import type { VariantChooser } from "./variant-chooser.js";

/** Where choices live between processes or visits. */
export interface ChoiceStore {
  readonly readCache: (key: string) => Promise<string | undefined>;
  readonly writeCache: (key: string, text: string) => Promise<void>;
}

/** Times the variants of a launch on a device; best milliseconds each, infinite where a variant cannot run. */
export type MeasureVariants = (device: Device, launch: RecordedLaunch, variants: readonly string[]) => Promise<readonly number[]>;

/** Milliseconds a variant runs before it is timed, so that the host has compiled it for good. */
const warmUpMs = 50;
/** Milliseconds of one timed round, and how many there are; the best counts. */
const roundMs = 4;
const roundCount = 6;
/** What a variant must gain over the plain one: less is noise. */
const worthwhileGain = 0.03;

/**
 * The class of a launch: its kernel, and to the nearest power of two every parameter that its work grows with. Launches
 * of a class share a choice.
 */
export function shapeClass(spec: AnyKernelSpec, params: Readonly<Record<string, number>>): string {
  const work = spec.flops ?? spec.units;
  const base = work(params);
  const sizes = Object.entries(params)
    .filter(([name, value]) => work({ ...params, [name]: 2 * value + 1 }) !== base)
    .map(([name, value]) => `${name}=${2 ** Math.round(Math.log2(Math.max(value, 1)))}`);
  return [spec.name, ...sizes].join(" ");
}

/** Runs a program `count` times; milliseconds of one run. */
async function timeRuns(device: Device, program: Program, count: number): Promise<number> {
  const start = performance.now();
  for (let run = 0; run < count; run++) program.run();
  await device.idle();
  return (performance.now() - start) / count;
}

/** Times the variants in turns on tensors of zeros, so that what else the machine does falls on all of them. */
export const measureVariants: MeasureVariants = async (device, launch, variants) => {
  const { spec } = launch;
  const params = paramsOf(launch);
  const tensors: Record<string, Tensor> = {};
  const programs: (Program | undefined)[] = [];
  try {
    for (const [at, [name, buffer]] of Object.entries(spec.buffers).entries()) {
      if (launch.tensors[at] === undefined) continue;
      tensors[name] = device.tensor([buffer.length(params)], { label: `tuning/${name}`, dtype: buffer.dtype ?? "f32" });
    }
    for (const variant of variants) {
      // A variant that does not compile here, or whose grid does not fit, is one that cannot be chosen.
      const program = await device.program("tuning", (recorder) => { recorder.launch(spec, params, tensors, variant); }).catch(() => undefined);
      programs.push(program);
    }
    const counts: number[] = [];
    for (const program of programs) {
      let once = Number.POSITIVE_INFINITY;
      const end = performance.now() + warmUpMs;
      while (program !== undefined && performance.now() < end) once = Math.min(once, await timeRuns(device, program, 1));
      counts.push(Math.max(1, Math.min(1000, Math.ceil(roundMs / once))));
    }
    const best = variants.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < roundCount; round++) {
      for (const [at, program] of programs.entries()) {
        if (program === undefined) continue;
        best[at] = Math.min(best[at] ?? 0, await timeRuns(device, program, counts[at] ?? 1));
      }
    }
    return best;
  } finally {
    for (const program of programs) program?.close();
    for (const tensor of Object.values(tensors)) device.free(tensor);
  }
};

/** The choices in a stored text; none where it is not what this class writes. */
function parseChoices(text: string | undefined): readonly (readonly [string, string])[] {
  if (text === undefined) return [];
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return [];
    return Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  } catch {
    return [];
  }
}

/**
 * Times the variants of every kernel on the user's device, once for every class of shapes, when a program first needs
 * them, and keeps the choices: in a file (Node) or in IndexedDB (pages), by device and package version. Results then
 * depend on choices that depend on timing, in their last bits; without a tuner they do not.
 */
export class Autotuner implements VariantChooser {
  readonly #store: ChoiceStore;
  readonly #measure: MeasureVariants;
  /** Variant by class of shapes, by device. */
  readonly #choices = new Map<string, Map<string, string>>();
  /** Measurements wait for each other: two at once would time each other. */
  #work: Promise<void> = Promise.resolve();

  constructor(store: ChoiceStore = host, measure: MeasureVariants = measureVariants) {
    this.#store = store;
    this.#measure = measure;
  }

  choose(device: Device, launch: RecordedLaunch): string | undefined {
    const chosen = this.#choices.get(device.info.key)?.get(shapeClass(launch.spec, paramsOf(launch)));
    return variantsOf(launch.spec, device.info.engine).find((variant) => variant === chosen);
  }

  async prepare(device: Device, launches: readonly RecordedLaunch[]): Promise<void> {
    const open = launches.filter(({ spec, variant }) => variant === undefined && variantsOf(spec, device.info.engine).length > 1);
    if (open.length === 0) return;
    const mine = this.#work.then(() => this.#tune(device, open));
    this.#work = mine.catch(() => undefined);
    await mine;
  }

  async #tune(device: Device, launches: readonly RecordedLaunch[]): Promise<void> {
    const key = `variants-${version}-${device.info.key}`.replace(/[^\w.-]+/g, "_");
    let choices = this.#choices.get(device.info.key);
    if (choices === undefined) {
      choices = new Map(parseChoices(await this.#store.readCache(key)));
      this.#choices.set(device.info.key, choices);
    }
    let isNew = false;
    for (const launch of launches) {
      const variants = variantsOf(launch.spec, device.info.engine);
      const shape = shapeClass(launch.spec, paramsOf(launch));
      if (variants.includes(choices.get(shape) ?? "")) continue;
      const times = await this.#measure(device, launch, variants);
      let chosen = 0;
      for (const [at, ms] of times.entries()) {
        const bar = (times[0] ?? 0) * (1 - worthwhileGain);
        if (ms < (times[chosen] ?? 0) && (ms < bar || times[0] === Number.POSITIVE_INFINITY)) chosen = at;
      }
      choices.set(shape, variants[chosen] ?? "main");
      isNew = true;
    }
    if (isNew) await this.#store.writeCache(key, JSON.stringify(Object.fromEntries([...choices].sort()), undefined, 1));
  }
}
