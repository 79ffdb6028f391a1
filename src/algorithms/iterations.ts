import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, wholeNumber } from "../core/options.js";
import type { VectorEnvironment } from "../envs/environment.js";
import type { Policy } from "../diffusion/policy.js";
import { episodeStatistics } from "../rl/episode-statistics.js";
import type { RolloutRecord } from "../rl/rollout.js";
import type { IterationEvent, Training } from "../rl/training.js";
import { encodeTrainingState, floatsOf, resumeState, type TrainingState } from "../rl/training-state.js";

/** Options of everything that rolls out and learns, iteration by iteration, as entries of a schema. */
export const iterationEntries = {
  iterations: v.optional(v.pipe(wholeNumber(1, 1_000_000), v.description("Rollouts and updates of the run.")), 51),
  steps: v.optional(v.pipe(wholeNumber(1, 1_000_000), v.description("Chunks that every environment executes in one rollout.")), 25),
  gamma: v.optional(v.pipe(finiteNumber(0, 1), v.description("Discount per executed chunk.")), 0.99),
  evaluateEvery: v.optional(v.pipe(
    wholeNumber(0, 1_000_000),
    v.description("Every so many iterations, from the first, the policy acts deterministically and learns nothing; 0 never."),
  ), 0),
  resetEvery: v.optional(v.pipe(oneOf(["iteration", "episode"]), v.description("Whether every rollout starts new episodes, or goes on with the running ones.")), "iteration"),
  successThreshold: v.optional(v.pipe(
    v.nullable(finiteNumber(-1e9, 1e9)),
    v.description("Mean reward of a step in an episode's best chunk from which it counts as a success, as the original counts; null asks the environment."),
  ), null),
  signal: v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")),
  resume: v.optional(v.custom<Uint8Array>((value) => value instanceof Uint8Array, "It must be the bytes of a checkpoint.")),
};

/** Resolved options of everything that rolls out and learns. */
type IterationOptions = Readonly<v.InferOutput<v.StrictObjectSchema<typeof iterationEntries, undefined>>> & { readonly seed: number };

/** Options that a resumed run may have otherwise: no number depends on them so far. */
const freeOptions = ["iterations", "signal", "resume"] as const;

/** Success, return and length of the episodes that ended in a rollout: by the environment, or as the original counts. */
function episodesOf(
  { rewards, firsts, finished }: RolloutRecord,
  options: { readonly steps: number; readonly successThreshold: number | null; readonly environment: VectorEnvironment; readonly actionSteps: number },
): Pick<IterationEvent, "episodes" | "success" | "return" | "episodeLength" | "bestReward"> {
  const { steps, successThreshold, environment, actionSteps } = options;
  if (successThreshold !== null) {
    const { length, ...counted } = episodeStatistics({ rewards, firsts, steps, environments: environment.count, actionSteps, threshold: successThreshold });
    return length === undefined ? counted : { ...counted, episodeLength: length };
  }
  const { episodes, successes, returns, lengths } = finished;
  if (episodes === 0) return { episodes };
  return { episodes, success: successes / episodes, return: returns / episodes, episodeLength: lengths / episodes };
}

/** The error of going on with an environment that nobody can put back to where it stood. */
function unsavedEnvironment(environment: VectorEnvironment): DifftuneError {
  return new DifftuneError("OPTION", `Environment "${environment.name}" cannot be saved, so its run cannot be resumed.`, {
    hint: "Environments of the package can; give yours save() and restore().", path: "resume",
  });
}

/** A run of iterations, whatever it learns by. */
export interface IterationRecipe {
  readonly name: string;
  /** The policy that the run starts from. */
  readonly policy: Policy;
  readonly environment: VectorEnvironment;
  readonly options: IterationOptions;
  /** All options, as a checkpoint keeps them. */
  readonly resolved: Readonly<Record<string, unknown>>;
}

/** What a run holds on its device while it is under way. */
export interface OpenRun {
  /** What rolls out: it knows where in its episode every environment stands. */
  readonly rollouts: { readonly lastFirsts: Float32Array; restoreFirsts(firsts: Float32Array): void };
  close(): void;
}

/** What is done in an iteration. */
export interface Iteration {
  /** From 0. */
  readonly iteration: number;
  /** The policy acts deterministically and learns nothing. */
  readonly isEvaluation: boolean;
  /** Every environment starts a new episode. */
  readonly resets: boolean;
}

/** What came of it: the rollout, what was measured on the way, and how long learning took. */
export interface IterationOutcome {
  readonly record: RolloutRecord;
  readonly metrics: Partial<IterationEvent>;
  readonly advantageSeconds: number;
  readonly updateSeconds: number;
  /** Updates of the networks, as the run counts them. */
  readonly updates: number;
}

/** What a checkpoint keeps beside what every run has. */
export type TakenState = Pick<TrainingState, "policy" | "floats"> & { readonly counters?: TrainingState["counters"] };

/**
 * A run that rolls out and learns, iteration by iteration: when it stops, what it tells, and that its state is whole
 * whenever somebody asks for it. What an iteration does is the subclass's.
 */
export abstract class IteratedTraining<Open extends OpenRun> implements Training<IterationEvent> {
  readonly #run: IterationRecipe;
  /** The state that the run goes on from. */
  protected readonly resumed: TrainingState | undefined;
  /** Iterations, updates and decisions since the start of the run. */
  protected readonly counters = { iteration: 0, updates: 0, decisions: 0 };
  #open: Open | undefined;
  /** Set while an iteration is under way: the state is then no whole. */
  #isTorn = false;
  /** The state that was taken when the run ended. */
  #last: TrainingState | undefined;
  #hasStarted = false;
  #isClosed = false;

  constructor(run: IterationRecipe) {
    this.#run = run;
    const { resume } = run.options;
    if (resume === undefined) return;
    this.resumed = resumeState(resume, run.name, run.policy, run.resolved, freeOptions);
    const { iteration = 0, updates = 0, decisions = 0 } = this.resumed.counters;
    Object.assign(this.counters, { iteration, updates, decisions });
  }

  /** Puts networks and rollouts on the device, as they start or as they were saved; environments are put back afterwards. */
  protected abstract open(): Promise<Open>;

  /** Acts, simulates, learns. */
  protected abstract iterate(open: Open, iteration: Iteration): Promise<IterationOutcome>;

  /** Brings what was learned to the host. */
  protected abstract take(open: Open): Promise<TakenState>;

  async *[Symbol.asyncIterator](): AsyncGenerator<IterationEvent, void, undefined> {
    if (this.#hasStarted) throw new DifftuneError("OPTION", "A training run is iterated once.", { hint: "Save it and resume, or start another." });
    this.#hasStarted = true;
    const { options, environment, policy } = this.#run;
    const { iterations, signal, evaluateEvery } = options;
    const { actionSteps } = policy.options;
    try {
      const open = await this.#opened();
      while (this.counters.iteration < iterations && !this.#isClosed) {
        if (signal?.aborted === true) {
          throw new DifftuneError("CANCELLED", `The run was stopped before iteration ${this.counters.iteration} of ${iterations}.`, { cause: signal.reason });
        }
        this.#isTorn = true;
        const startedMs = performance.now();
        const { iteration } = this.counters;
        const isEvaluation = evaluateEvery > 0 && iteration % evaluateEvery === 0;
        const resets = options.resetEvery === "iteration" || isEvaluation || iteration === 0;
        const { record, metrics, advantageSeconds, updateSeconds, updates } = await this.iterate(open, { iteration, isEvaluation, resets });
        this.counters.decisions += options.steps;
        this.counters.updates += updates;
        this.counters.iteration += 1;
        this.#isTorn = false;

        const iterationSeconds = (performance.now() - startedMs) / 1000;
        const stepsOfDecision = environment.count * actionSteps;
        yield Object.freeze({
          iteration,
          iterations,
          mode: isEvaluation ? "evaluate" : "train",
          envSteps: this.counters.decisions * stepsOfDecision,
          ...episodesOf(record, { ...options, environment, actionSteps }),
          ...metrics,
          envStepsPerSecond: (options.steps * stepsOfDecision) / iterationSeconds,
          iterationSeconds,
          seconds: Object.freeze({ denoise: record.denoiseSeconds, physics: record.physicsSeconds, advantage: advantageSeconds, update: updateSeconds }),
        } satisfies IterationEvent);
      }
    } finally {
      await this.#end();
    }
  }

  async policy(): Promise<Policy> {
    return (await this.#state()).policy;
  }

  async save(): Promise<Uint8Array> {
    return encodeTrainingState(await this.#state());
  }

  close(): void {
    this.#isClosed = true;
    this.#open?.close();
    this.#open = undefined;
  }

  async #opened(): Promise<Open> {
    if (this.#open !== undefined) return this.#open;
    const open = await this.open();
    try {
      this.#restoreEnvironment(open);
    } catch (error) {
      open.close();
      throw error;
    }
    this.#open = open;
    return open;
  }

  #restoreEnvironment({ rollouts }: Open): void {
    const { environment } = this.#run;
    if (this.resumed?.environment !== undefined) {
      if (environment.restore === undefined) throw unsavedEnvironment(environment);
      environment.restore(this.resumed.environment);
      rollouts.restoreFirsts(floatsOf(this.resumed, "firsts", environment.count));
    } else if (this.resumed !== undefined && this.resumed.counters.iteration !== 0) {
      throw unsavedEnvironment(environment);
    }
  }

  /** The state as it stands, or as it stood when the run ended. */
  async #state(): Promise<TrainingState> {
    if (this.#last !== undefined) return this.#last;
    if (this.#isTorn) {
      throw new DifftuneError("OPTION", `The run stands in the middle of iteration ${this.counters.iteration}.`, { hint: "Its state can be taken between two events." });
    }
    if (this.#open === undefined) {
      if (this.#isClosed) throw new DifftuneError("DEVICE_CLOSED", "The run was closed.", { hint: "Take its state before." });
      if (this.resumed !== undefined) return this.resumed;
    }
    return this.#take(await this.#opened());
  }

  async #take(open: Open): Promise<TrainingState> {
    const { environment, name, options, resolved } = this.#run;
    const { policy, floats, counters } = await this.take(open);
    return {
      algorithm: name,
      options: Object.fromEntries(Object.entries(resolved).filter(([option]) => option !== "signal" && option !== "resume")),
      counters: { ...this.counters, ...counters },
      policy: policy.withMetadata({ method: name, iteration: String(this.counters.iteration), seed: String(options.seed) }),
      floats: new Map([...floats, ["firsts", open.rollouts.lastFirsts]]),
      environment: this.counters.iteration > 0 ? environment.save?.() : undefined,
    };
  }

  /** Keeps the state where it is whole, and frees the device. */
  async #end(): Promise<void> {
    if (this.#open === undefined) return;
    try {
      if (!this.#isTorn && !this.#isClosed) this.#last = await this.#take(this.#open);
    } catch {
      // A lost device: what went wrong is on its way to the caller already.
    } finally {
      this.close();
    }
  }
}
