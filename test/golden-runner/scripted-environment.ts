import { commonEpisodeColumns, EpisodeTable, Space, type ChunkResult, type EpisodeOutcome, type Image, type VectorEnvironment } from "../../src/envs/environment.ts";

/** What the environments of a golden file answer, in order. */
export interface EnvironmentScript {
  readonly count: number;
  readonly observationSize: number;
  readonly actionSize: number;
  readonly actionSteps: number;
  /** One row of [E, D] for every answer: of each reset, then of each chunk. */
  readonly observations: ArrayLike<number>;
  /** [chunks, E] */
  readonly rewards: ArrayLike<number>;
  readonly terminated: ArrayLike<number>;
  readonly truncated: ArrayLike<number>;
}

function space(prefix: string, size: number): Space {
  return new Space(Array.from({ length: size }, (_, at) => ({ name: `${prefix}${at}`, low: -1, high: 1 })));
}

/** Environments that answer what a golden file says, whatever they are told, and keep what they were told. */
export class ScriptedEnvironment implements VectorEnvironment {
  readonly name = "scripted";
  readonly observationSteps = 1;
  readonly maxSteps = 0;
  readonly options = {};
  readonly count: number;
  readonly actionSteps: number;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly actions: Float32Array;
  readonly result: ChunkResult;
  /** Actions of every chunk so far. */
  readonly executed: number[] = [];
  readonly #script: EnvironmentScript;
  #answers = 0;
  #chunks = 0;

  constructor(script: EnvironmentScript) {
    this.#script = script;
    const { count, observationSize, actionSize, actionSteps } = script;
    this.count = count;
    this.actionSteps = actionSteps;
    this.observationSpace = space("o", observationSize);
    this.actionSpace = space("a", actionSize);
    this.actions = new Float32Array(count * actionSteps * actionSize);
    const table = (): EpisodeTable => new EpisodeTable(commonEpisodeColumns, new Float64Array(count * commonEpisodeColumns.length));
    this.result = {
      observations: new Float32Array(count * observationSize),
      finalObservations: new Float32Array(count * observationSize),
      rewards: new Float32Array(count),
      stepRewards: new Float32Array(count * actionSteps),
      terminated: new Uint32Array(count),
      truncated: new Uint32Array(count),
      steps: new Uint32Array(count).fill(actionSteps),
      finished: table(),
      running: table(),
    };
  }

  reset(): ChunkResult {
    this.#answer();
    return this.result;
  }

  stepChunk(actions: Float32Array): ChunkResult {
    return this.stepRows(actions, 0, this.count);
  }

  stepRows(actions: Float32Array, from: number, to: number): ChunkResult {
    const { count, rewards, terminated, truncated } = this.#script;
    const width = actions.length / count;
    for (let e = from; e < to; e++) {
      const place = this.#chunks * count + e;
      this.result.rewards[e] = rewards[place]!;
      this.result.terminated[e] = terminated[place]!;
      this.result.truncated[e] = truncated[place]!;
      for (let at = 0; at < width; at++) this.executed[place * width + at] = actions[e * width + at]!;
    }
    const { observationSize, observations } = this.#script;
    for (let at = from * observationSize; at < to * observationSize; at++) {
      this.result.observations[at] = observations[this.#answers * count * observationSize + at]!;
    }
    if (to === count) {
      this.#chunks += 1;
      this.#answers += 1;
    }
    return this.result;
  }

  outcome(): EpisodeOutcome {
    return { success: false, reason: "scripted", detail: "The episode was written beforehand." };
  }

  render(): Image {
    return { width: 1, height: 1, pixels: new Uint8ClampedArray(4) };
  }

  close(): void {
    this.result.rewards.fill(0);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #answer(): void {
    const { count, observationSize, observations } = this.#script;
    for (let at = 0; at < count * observationSize; at++) this.result.observations[at] = observations[this.#answers * count * observationSize + at]!;
    this.#answers += 1;
  }
}
