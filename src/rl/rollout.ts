import { Breath } from "../core/breath.js";
import { DifftuneError, invariant } from "../core/errors.js";
import type { Device } from "../engine/device.js";
import type { Program } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { WasmDevice } from "../engine/wasm/wasm-device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { recordActing, recordNormalised, type ActingNoise, type ChooseChunks } from "../diffusion/acting.js";
import type { Policy } from "../diffusion/policy.js";
import type { ProcessTables } from "../diffusion/process.js";

/** What a rollout is made with. N steps of E environments. */
export interface RolloutSetup {
  readonly device: Device;
  readonly policy: Policy;
  readonly environment: VectorEnvironment;
  /** N: chunks executed in every environment. */
  readonly steps: number;
  /**
   * Chunks in a row that are decided in the same state, 1 by default: all of them but the last are executed, and taken back. N is a
   * multiple of it, and the environment can be saved.
   */
  readonly siblings?: number;
  /** K' of a diffusion policy; 0 for others. */
  readonly tunedSteps: number;
  /** Parameters that act: the frozen ones, and those being trained. */
  readonly values: Tensor;
  readonly tuned: Tensor | undefined;
  readonly noise: ActingNoise;
  /** How chunks are chosen, where it is not by a sample of the policy. */
  readonly choose?: ChooseChunks | undefined;
  /** Fills the noise of the decision that is about to be made. */
  readonly draw: (decision: number) => void;
  /** Whether the observations at the end of truncated episodes are kept, which `truncation: "correct"` bootstraps from. */
  readonly keepsFinalStates: boolean;
  /** Whether the observation that each step led to is kept on the host; the environment must then have `stepObservations`. */
  readonly keepsSteps?: boolean;
}

/** The observations that the steps of chunks led to, in units of the environment. */
export interface ReachedStates {
  /** [N, E, Ta, D]; what lies beyond `counts` means nothing. */
  readonly states: Float32Array;
  /** [N, E]: steps that a chunk took before its episode ended, at most Ta. */
  readonly counts: Uint32Array;
}

/** Sums over the episodes that ended in a rollout, by the environment's own account. */
export interface FinishedEpisodes {
  readonly episodes: number;
  readonly successes: number;
  readonly returns: number;
  readonly lengths: number;
}

/** One rollout, on the host; the device holds states and chains. */
export interface RolloutRecord {
  /** [N, E] */
  readonly rewards: Float32Array;
  readonly terminated: Float32Array;
  readonly truncated: Float32Array;
  /** [N + 1, E]: 1 where an episode begins. */
  readonly firsts: Float32Array;
  readonly finished: FinishedEpisodes;
  /** Undefined where they are not kept. */
  readonly reached: ReachedStates | undefined;
  readonly denoiseSeconds: number;
  readonly physicsSeconds: number;
}

/** Environments that act together: all of them, or one half while the other is simulated. */
interface Part {
  readonly from: number;
  readonly to: number;
  /** Observations and actions of these environments. */
  readonly observations: Tensor;
  readonly actions: Tensor;
  /** By whether sampling is deterministic. */
  readonly programs: Map<boolean, { readonly program: Program; readonly moveTo: (slot: number) => void }>;
}

/**
 * Collects rollouts: decide, simulate, keep what learning needs. The network reads observations and writes actions where
 * the physics has them if both live in one memory. Where the device works by itself (a GPU), the environments are two
 * halves, of which one is simulated while the other is denoised; the bits are the same, because every row has the noise
 * that it has in the whole.
 */
export class RolloutCollector {
  /** Normalised observation stacks [N·E, To·D]. */
  readonly states: Tensor;
  /** [N·E, K' + 1, H·A] for a diffusion policy that is tuned, [N·E, H·A] for others. */
  readonly chains: Tensor;
  /** Normalised stacks after the last step [E, To·D]. */
  readonly lastStates: Tensor;
  /** Normalised stacks at the end of truncated episodes [N·E, To·D]; undefined where they are not kept. */
  readonly finalStates: Tensor | undefined;
  readonly #setup: RolloutSetup;
  readonly #owned: Tensor[] = [];
  readonly #programs: Program[] = [];
  #parts: Part[] = [];
  #tables: ReadonlyMap<boolean, ProcessTables> = new Map();
  #isShared = false;
  /** Normalises the last observations. */
  #close: Program | undefined;
  #keepFinal: { readonly program: Program; readonly moveTo: (slot: number) => void } | undefined;
  #finalObservations: Tensor | undefined;
  readonly #record: {
    rewards: Float32Array; terminated: Float32Array; truncated: Float32Array; firsts: Float32Array; reached: ReachedStates | undefined;
  };

  private constructor(setup: RolloutSetup) {
    this.#setup = setup;
    const { device, policy, environment, steps, tunedSteps, keepsFinalStates } = setup;
    const E = environment.count;
    const chainWidth = (policy.model.kind === "diffusion" ? tunedSteps + 1 : 1) * policy.chunkWidth;
    const own = (shape: readonly number[], label: string): Tensor => this.#own(device.tensor(shape, { label }));
    this.states = own([steps * E, policy.conditionWidth], "rollout states");
    this.chains = own([steps * E, chainWidth], "rollout chains");
    this.lastStates = own([E, policy.conditionWidth], "last states");
    this.finalStates = keepsFinalStates ? own([steps * E, policy.conditionWidth], "final states") : undefined;
    const host = (): Float32Array => new Float32Array(steps * E);
    const reached = setup.keepsSteps !== true ? undefined : {
      states: new Float32Array(steps * E * environment.actionSteps * environment.observationSpace.size), counts: new Uint32Array(steps * E),
    };
    this.#record = { rewards: host(), terminated: host(), truncated: host(), firsts: new Float32Array((steps + 1) * E), reached };
  }

  /** @param isSplit whether to work in two halves; by default where the device works by itself and there are two environments */
  static async create(setup: RolloutSetup, isSplit?: boolean): Promise<RolloutCollector> {
    const collector = new RolloutCollector(setup);
    try {
      await collector.#build(isSplit ?? (setup.device.info.engine === "webgpu" && setup.environment.count > 1 && (setup.siblings ?? 1) === 1));
      return collector;
    } catch (error) {
      collector.close();
      throw error;
    }
  }

  async #build(wantsSplit: boolean): Promise<void> {
    const { device, policy, environment, values, tuned, noise, tunedSteps } = this.#setup;
    const { model, conditionWidth, chunking, actionSize } = policy;
    const E = environment.count;
    const executed = chunking.actionSteps * actionSize;
    if (model.kind === "diffusion") {
      this.#tables = new Map([false, true].map((isDeterministic) => {
        const tables = model.process.tables(device, { isDeterministic });
        this.#owned.push(tables.schedule, tables.times);
        return [isDeterministic, tables];
      }));
    }
    const isSplit = wantsSplit && environment.stepRows !== undefined && E > 1;
    const middle = Math.ceil(E / 2);
    const shared = isSplit ? undefined : sharedTensors(device, environment, conditionWidth, executed);
    if (shared !== undefined) this.#owned.push(shared.observations, shared.actions);
    this.#isShared = shared !== undefined;
    const bounds: readonly (readonly [number, number])[] = isSplit ? [[0, middle], [middle, E]] : [[0, E]];
    this.#parts = bounds.map(([from, to]) => ({
      from,
      to,
      observations: shared?.observations ?? this.#own(device.tensor([to - from, conditionWidth], { label: "observations" })),
      actions: shared?.actions ?? this.#own(device.tensor([to - from, executed], { label: "actions" })),
      programs: new Map(),
    }));
    for (const part of this.#parts) {
      for (const isDeterministic of [false, true]) {
        let moveTo = (_: number): void => undefined;
        const program = await device.program(isDeterministic ? "act deterministically" : "act", (recorder) => {
          ({ moveTo } = recordActing(recorder, policy, {
            values,
            tuned,
            tables: this.#tables.get(isDeterministic),
            noise,
            observations: part.observations,
            actions: part.actions,
            record: { states: this.states, chains: this.chains },
            choose: this.#setup.choose,
          }, { rows: part.to - part.from, from: part.from, of: E, tunedSteps, isDeterministic }));
        });
        this.#programs.push(program);
        part.programs.set(isDeterministic, { program, moveTo });
      }
    }
    this.#close = await this.#normalising("last states", this.#parts, this.lastStates);
    if (this.finalStates !== undefined) {
      const observations = this.#own(device.tensor([E, conditionWidth], { label: "final observations" }));
      this.#finalObservations = observations;
      let moveTo = (_: number): void => undefined;
      const target = this.finalStates;
      const program = await device.program("final states", (recorder) => {
        const launch = recordNormalised(recorder, policy, { src: observations, dst: target }, { rows: E });
        moveTo = (slot) => { launch.update({ dstOffset: slot * E * conditionWidth }); };
      });
      this.#programs.push(program);
      this.#keepFinal = { program, moveTo };
    }
  }

  /** A program that normalises the observations of all parts into one tensor [E, To·D]. */
  async #normalising(label: string, parts: readonly Part[], target: Tensor): Promise<Program> {
    const { device, policy } = this.#setup;
    const program = await device.program(label, (recorder) => {
      for (const { from, to, observations } of parts) {
        recordNormalised(recorder, policy, { src: observations, dst: target }, { rows: to - from, firstRow: from });
      }
    });
    this.#programs.push(program);
    return program;
  }

  /**
   * Collects one rollout. The record is the same object's arrays every time. `decision` counts the decisions before this
   * rollout; `resets` starts new episodes first, otherwise the running ones go on.
   */
  async collect(options: { readonly decision: number; readonly resets: boolean; readonly isDeterministic: boolean }): Promise<RolloutRecord> {
    const { environment, steps, siblings = 1, draw } = this.#setup;
    const { decision, resets, isDeterministic } = options;
    const E = environment.count;
    const { rewards, terminated, truncated, firsts, reached } = this.#record;
    const finished = { episodes: 0, successes: 0, returns: 0, lengths: 0 };
    let physicsSeconds = 0;
    const startedMs = performance.now();
    const timed = async (work: () => unknown): Promise<void> => {
      const before = performance.now();
      await work();
      physicsSeconds += (performance.now() - before) / 1000;
    };
    if (resets) {
      await timed(() => environment.reset());
      firsts.fill(1, 0, E);
    } else {
      firsts.copyWithin(0, steps * E);
    }
    const breath = new Breath();
    const waiting = this.#parts.map(() => Promise.resolve());
    const act = (index: number, step: number): void => {
      const part = this.#parts[index]!;
      if (index === 0) draw(decision + step);
      this.#upload(part);
      const { program, moveTo } = part.programs.get(isDeterministic)!;
      moveTo(step);
      program.run();
      // Asked for at once, waited for later: the other half is simulated meanwhile.
      waiting[index] = this.#download(part);
      waiting[index].catch(() => undefined);
    };
    let state = siblings > 1 ? environment.save?.() : undefined;
    for (const index of this.#parts.keys()) act(index, 0);
    for (let step = 0; step < steps; step++) {
      const isLast = (step + 1) % siblings === 0;
      for (const [index, { from, to }] of this.#parts.entries()) {
        await waiting[index];
        await timed(() => (this.#parts.length === 1 ? environment.stepChunk(environment.actions) : environment.stepRows!(environment.actions, from, to)));
        this.#keep(step, from, to, isLast ? finished : undefined);
        this.#keepSteps(step, from, to);
        if (siblings > 1) state = await this.#takeBack(state, isLast);
        if (index === this.#parts.length - 1) this.#keepFinalObservations(step);
        if (step + 1 < steps) act(index, step + 1);
        else this.#upload(this.#parts[index]!);
      }
      await breath.take();
    }
    this.#close?.run();
    const seconds = (performance.now() - startedMs) / 1000;
    return { rewards, terminated, truncated, firsts, finished, reached, physicsSeconds, denoiseSeconds: Math.max(0, seconds - physicsSeconds) };
  }

  /** Beginnings after the last rollout, which the next one goes on from where nothing is reset. */
  get lastFirsts(): Float32Array {
    const E = this.#setup.environment.count;
    return this.#record.firsts.slice(this.#setup.steps * E);
  }

  /** The reverse, after `environment.restore`. */
  restoreFirsts(firsts: Float32Array): void {
    this.#record.firsts.set(firsts, this.#setup.steps * this.#setup.environment.count);
  }

  close(): void {
    for (const program of this.#programs.splice(0)) program.close();
    for (const tensor of this.#owned.splice(0)) this.#setup.device.free(tensor);
  }

  #own(tensor: Tensor): Tensor {
    this.#owned.push(tensor);
    return tensor;
  }

  #upload({ from, to, observations }: Part): void {
    if (this.#isShared) return;
    const { device, environment, policy } = this.#setup;
    const width = policy.conditionWidth;
    device.write(observations, environment.result.observations.subarray(from * width, to * width));
  }

  async #download({ from, actions }: Part): Promise<void> {
    const { device, environment } = this.#setup;
    if (this.#isShared) return device.idle();
    const width = actions.length / actions.shape[0]!;
    environment.actions.set(await device.read(actions), from * width);
  }

  /** After one of several chunks in the same state: back to it, or on from here. Gives the state that the next chunk is decided in. */
  async #takeBack(state: Uint8Array | undefined, isLast: boolean): Promise<Uint8Array | undefined> {
    const { environment } = this.#setup;
    invariant(state !== undefined && environment.restore !== undefined, "chunks in the same state of an environment that cannot be saved");
    if (isLast) return environment.save?.();
    environment.restore(state);
    return state;
  }

  #keep(step: number, from: number, to: number, finished: { episodes: number; successes: number; returns: number; lengths: number } | undefined): void {
    const { environment } = this.#setup;
    const E = environment.count;
    const { result } = environment;
    const { rewards, terminated, truncated, firsts } = this.#record;
    const [returns, lengths, successes] = (["return", "length", "success"] as const).map((name) => result.finished.place(name)) as [number, number, number];
    const columns = result.finished.names.length;
    for (let e = from; e < to; e++) {
      const place = step * E + e;
      const reward = result.rewards[e]!;
      if (!Number.isFinite(reward)) {
        throw new DifftuneError("ENVIRONMENT", `Environment ${e} of "${environment.name}" gave the reward ${reward} at step ${step}.`, { index: e, got: reward });
      }
      rewards[place] = reward;
      terminated[place] = result.terminated[e]!;
      truncated[place] = result.truncated[e]!;
      const isOver = result.terminated[e] !== 0 || result.truncated[e] !== 0;
      firsts[place + E] = isOver ? 1 : 0;
      if (!isOver || finished === undefined) continue;
      finished.episodes += 1;
      finished.returns += result.finished.values[e * columns + returns]!;
      finished.lengths += result.finished.values[e * columns + lengths]!;
      finished.successes += result.finished.values[e * columns + successes]!;
    }
  }

  #keepSteps(step: number, from: number, to: number): void {
    const { environment } = this.#setup;
    const { reached } = this.#record;
    const { stepObservations, count, actionSteps, observationSpace, result } = environment;
    if (reached === undefined) return;
    invariant(stepObservations !== undefined, "an environment that lost its step observations");
    const width = actionSteps * observationSpace.size;
    reached.states.set(stepObservations.subarray(from * width, to * width), (step * count + from) * width);
    reached.counts.set(result.steps.subarray(from, to), step * count + from);
  }

  #keepFinalObservations(step: number): void {
    const { device, environment } = this.#setup;
    if (this.#keepFinal === undefined || this.#finalObservations === undefined) return;
    if (!environment.result.truncated.some((flag) => flag !== 0)) return;
    device.write(this.#finalObservations, environment.result.finalObservations);
    this.#keepFinal.moveTo(step);
    this.#keepFinal.program.run();
  }
}

/** Tensors over an environment's own memory, where the device lives in the same; nothing is then copied between them. */
function sharedTensors(device: Device, environment: VectorEnvironment, conditionWidth: number, executed: number): { observations: Tensor; actions: Tensor } | undefined {
  const { observations } = environment.result;
  const { actions, count } = environment;
  if (!(device instanceof WasmDevice)) return undefined;
  if (environment.memory !== device.memory) return undefined;
  return {
    observations: device.tensorAt(observations.byteOffset, [count, conditionWidth], "observations of the environment"),
    actions: device.tensorAt(actions.byteOffset, [count, executed], "actions of the environment"),
  };
}
