import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, parseOptions, wholeNumber } from "../core/options.js";
import { philoxBlock } from "../core/philox.js";
import { checkActionLength, type ChunkResult, type EpisodeOutcome, type Image, type VectorEnvironment } from "./environment.js";

const magnitude = finiteNumber(0, 1e6);
const chunkCount = wholeNumber(0, 0xffffffff);

const schema = v.pipe(
  v.strictObject({
    /** What a noise of 1 is in each coordinate of an action: `normaliser.actionMap.scale` makes it half the range of the data. */
    scale: v.pipe(v.array(finiteNumber(0, 1e9)), v.minLength(1)),
    /** Least and greatest magnitude of the noise of a number; its sign is drawn too. */
    low: v.optional(magnitude, 0),
    high: magnitude,
    /** The magnitudes grow linearly from 0 in this chunk, counted since the environment was made, ... */
    from: v.optional(chunkCount, 0),
    /** ... to `low` and `high` in this one, and stay. */
    to: v.optional(chunkCount, 0),
    seed: v.optional(wholeNumber(0, 0xffffffff), 0),
  }),
  v.check(({ low, high }) => low <= high, "option low must not be above high."),
  v.check(({ from, to }) => from <= to, "option from must not be above to."),
);

/** Options of {@link noisyActions}. */
export type ActionNoiseOptions = v.InferInput<typeof schema>;

/** Key of the random numbers, so that they are none of an environment's own. */
const stream = 0x6e6f6973;

/**
 * An environment whose actions are disturbed on their way: each number gets uniform noise with a magnitude between `low` and
 * `high` and a random sign. What a policy believes to have done is not what happens; DPPO asks how well learning and
 * learned policies bear it (figures 10 and 12).
 *
 * The noise follows from the seed, the number of the chunk and the place of the number. Closing it closes the environment.
 *
 * @example
 * const env = noisyActions(await createAvoid({ count: 50, actionSteps: 4 }), { scale: [0.0125, 0.00625], low: 0.1, high: 0.2 });
 */
export function noisyActions(env: VectorEnvironment, options: ActionNoiseOptions): VectorEnvironment {
  return new NoisyActions(env, options);
}

class NoisyActions implements VectorEnvironment {
  readonly actions: Float32Array;
  readonly options: Readonly<Record<string, unknown>>;
  readonly #env: VectorEnvironment;
  readonly #noise: Readonly<v.InferOutput<typeof schema>>;
  readonly #block = new Uint32Array(4);
  /** Chunks executed so far. */
  #chunk = 0;

  constructor(env: VectorEnvironment, options: ActionNoiseOptions) {
    this.#noise = parseOptions(schema, options, "noisyActions");
    if (this.#noise.scale.length !== env.actionSpace.size) {
      throw new DifftuneError("OPTION", `noisyActions got ${this.#noise.scale.length} scales; an action of "${env.name}" has ${env.actionSpace.size} numbers.`, {
        path: "scale",
        expected: env.actionSpace.size,
        got: this.#noise.scale.length,
      });
    }
    this.#env = env;
    this.actions = new Float32Array(env.actions.length);
    this.options = Object.freeze({ ...env.options, actionNoise: this.#noise });
  }

  get name(): string { return this.#env.name; }
  get count(): number { return this.#env.count; }
  get observationSteps(): number { return this.#env.observationSteps; }
  get actionSteps(): number { return this.#env.actionSteps; }
  get maxSteps(): number { return this.#env.maxSteps; }
  get observationSpace(): VectorEnvironment["observationSpace"] { return this.#env.observationSpace; }
  get actionSpace(): VectorEnvironment["actionSpace"] { return this.#env.actionSpace; }
  get path(): VectorEnvironment["path"] { return this.#env.path; }
  get stepObservations(): Float32Array | undefined { return this.#env.stepObservations; }
  get result(): ChunkResult { return this.#env.result; }

  reset(seeds?: ArrayLike<number>): ChunkResult | Promise<ChunkResult> {
    return this.#env.reset(seeds);
  }

  stepChunk(actions: Float32Array): ChunkResult | Promise<ChunkResult> {
    const { count, actionSteps, actionSpace } = this.#env;
    checkActionLength(actions, count, actionSteps, actionSpace.size);
    this.#disturb(actions, this.#env.actions);
    const answer = this.#env.stepChunk(this.#env.actions);
    this.#chunk += 1;
    return answer;
  }

  outcome(index: number, episode?: "finished" | "running"): EpisodeOutcome {
    return this.#env.outcome(index, episode);
  }

  render(index?: number): Image {
    return this.#env.render(index);
  }

  save(): Uint8Array {
    const own = new Uint8Array(4);
    new DataView(own.buffer).setUint32(0, this.#chunk, true);
    if (this.#env.save === undefined) throw this.#unsaved();
    const inner = this.#env.save();
    const saved = new Uint8Array(own.length + inner.length);
    saved.set(own);
    saved.set(inner, own.length);
    return saved;
  }

  restore(saved: Uint8Array): void {
    if (this.#env.restore === undefined) throw this.#unsaved();
    if (saved.length < 4) throw new DifftuneError("FORMAT", "The saved state is too short.", { got: saved.length });
    this.#env.restore(saved.subarray(4));
    this.#chunk = new DataView(saved.buffer, saved.byteOffset, 4).getUint32(0, true);
  }

  close(): void {
    this.#env.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** out[i] = a[i] + sign * (lo + (hi - lo) u) * scale, the sign and u of word i of the chunk's random numbers. */
  #disturb(actions: Float32Array, out: Float32Array): void {
    const { scale, low, high, from, to, seed } = this.#noise;
    const grown = this.#chunk >= to ? 1 : Math.max(0, (this.#chunk - from) / (to - from));
    const least = grown * low;
    const span = grown * (high - low);
    for (let place = 0; place < actions.length; place++) {
      if (place % 4 === 0) philoxBlock(this.#block, place / 4, this.#chunk, 0, 0, seed, stream);
      const word = this.#block[place % 4]!;
      const size = (least + (span * (word >>> 1)) / 0x80000000) * scale[place % scale.length]!;
      out[place] = actions[place]! + ((word & 1) === 0 ? size : -size);
    }
  }

  #unsaved(): DifftuneError {
    return new DifftuneError("ENVIRONMENT", `Environment "${this.name}" cannot be saved.`);
  }
}
