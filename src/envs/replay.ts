import { DifftuneError } from "../core/errors.js";
import { createAvoid, type Avoid, type AvoidOptions } from "./avoid.js";
import type { Demonstration } from "./demonstration.js";
import type { EpisodeOutcome, VectorEnvironment } from "./environment.js";
import { environment, type EnvironmentName, type EnvironmentOptions } from "./registry.js";

/** Where a replay leaves its recording. */
export interface Deviation {
  /** Largest difference between replay and recording, in the unit of the coordinate. */
  readonly largest: number;
  /** Where it is: the row of the recording and the coordinate. */
  readonly step: number;
  readonly coordinate: string;
  /** The first row that differs by more than the tolerance; undefined if none does. */
  readonly firstStep: number | undefined;
}

/** What became of one demonstration in the environment. */
export interface ReplayReport {
  /** Place of the demonstration in what was given. */
  readonly index: number;
  readonly label: string;
  readonly steps: number;
  readonly episodeReturn: number;
  /** Whether it still succeeds, and if not, why: which cylinder at which step, how much coverage was missing, ... */
  readonly outcome: EpisodeOutcome;
  readonly deviation: Deviation;
  /** What to make of it, in one or two sentences. */
  readonly diagnosis: string;
  /** The first step after which a counter of the episode table was not zero, by column; absent where it stayed zero. */
  readonly firstSteps: Readonly<Record<string, number>>;
  /** All columns of the episode table at the end. */
  readonly measures: Readonly<Record<string, number>>;
}

/** Options of {@link replay}. */
export interface ReplayOptions {
  /** Difference from the recording that counts as none, in the unit of each coordinate. Default 2e-5. */
  readonly tolerance?: number;
  /** Stops between two batches of demonstrations. */
  readonly signal?: AbortSignal;
}

/** Demonstrations replayed side by side. */
const batchCount = 64;
const defaultTolerance = 2e-5;
/** One step at a time, to the end of the recording whatever happens. */
const stepwise = { actionSteps: 1, observationSteps: 1, autoReset: false, maxSteps: 0 };
/** Avoid pays for every step behind the line, so the hand rests there until an episode would end. */
const avoidSteps = 100;
const avoidTouches = ["collided", "tableSteps"];
/** D3IL keeps the height that the hand starts at as the set-point's. */
const recordedHeight = 0.12235930599;

/**
 * Replays demonstrations open loop in a built-in environment and says of each whether it still succeeds, and if not, why
 * and from which step on it left the recording. A demonstration of this package repeats to the bit.
 *
 * @param options those of the environment that was recorded; see `Dataset.source`
 * @example for await (const report of replay("avoid", {}, dataset.episodes())) console.log(report.outcome.detail);
 */
export async function* replay<Name extends EnvironmentName>(
  name: Name,
  options: EnvironmentOptions<Name>,
  demonstrations: Iterable<Demonstration>,
  settings: ReplayOptions = {},
): AsyncGenerator<ReplayReport, void, undefined> {
  const isAvoid = name.startsWith("avoid");
  const own = isAvoid ? stepwise : { ...stepwise, endOnSuccess: false };
  yield* replayBatches(demonstrations, settings, {
    open: (count) => environment(name, { ...options, ...own, count }),
    least: isAvoid ? (options.maxSteps ?? avoidSteps) : 0,
    watched: isAvoid ? avoidTouches : ["contactSteps", "boxSteps"],
    touches: isAvoid ? avoidTouches : ["contactSteps"],
    columns: (env) => env.observationSpace.names,
    read: (env, index, out) => {
      const { observations } = env.result;
      for (let column = 0; column < out.length; column++) out[column] = observations[index * out.length + column]!;
    },
  });
}

/** One recording in the form of D3IL: a row every 35 ms. */
export interface AvoidRows {
  readonly label: string;
  /** [R, 4]: desired x, y, and actual x, y 1 ms after the desired position was switched on. */
  readonly rows: Float32Array;
}

/** Replays recordings in the form of D3IL, open loop: the hand is told the desired positions, one after the other. */
export async function* replayAvoidRows(
  recordings: Iterable<AvoidRows>,
  options: AvoidOptions = {},
  settings: ReplayOptions = {},
): AsyncGenerator<ReplayReport, void, undefined> {
  yield* replayBatches(asDemonstrations(recordings), settings, {
    open: (count) => createAvoid({ height: recordedHeight, ...options, ...stepwise, count }),
    act: (env, index, { observations }, actions) => {
      const { desiredX, desiredY } = env.pose(index);
      for (let at = 0; at < actions.length; at++) {
        const place = 4 * (at >> 1) + (at & 1);
        actions[at] = observations[place]! - (at > 1 ? observations[place - 4]! : [desiredX, desiredY][at]!);
      }
    },
    least: options.maxSteps ?? avoidSteps,
    watched: avoidTouches,
    touches: avoidTouches,
    columns: () => ["desiredX", "desiredY", "actualX", "actualY"],
    read: (env: Avoid, index, out) => {
      const { aheadX, aheadY } = env.pose(index);
      // The desired position of a row is switched on with the next action: it is told, not compared.
      out.set([Number.NaN, Number.NaN, aheadX, aheadY]);
    },
  });
}

function* asDemonstrations(recordings: Iterable<AvoidRows>): Generator<Demonstration> {
  for (const { label, rows } of recordings) {
    const steps = Math.floor(rows.length / 4);
    yield { observations: rows, actions: new Float32Array(2 * steps), rewards: new Float32Array(steps), seed: 0, success: true, label };
  }
}

/** How one kind of recording is replayed. */
interface Replayer<Env extends VectorEnvironment> {
  readonly open: (count: number) => Promise<Env>;
  /** Makes the actions of a recording that has none, in the environment at its start. */
  readonly act?: (env: Env, index: number, recording: Demonstration, actions: Float32Array) => void;
  /** Steps that an episode lasts at least, holding still (an action of 0) after the recording. */
  readonly least: number;
  /** Counters of the episode table whose first step is told. */
  readonly watched: readonly string[];
  /** Those of them that tell of a touch. */
  readonly touches: readonly string[];
  readonly columns: (env: Env) => readonly string[];
  /** The numbers that a row of the recording is compared with; NaN where there is nothing to compare. */
  readonly read: (env: Env, index: number, out: Float64Array) => void;
}

async function* replayBatches<Env extends VectorEnvironment>(
  demonstrations: Iterable<Demonstration>,
  settings: ReplayOptions,
  replayer: Replayer<Env>,
): AsyncGenerator<ReplayReport, void, undefined> {
  const tolerance = settings.tolerance ?? defaultTolerance;
  if (!(tolerance >= 0)) throw new DifftuneError("OPTION", `tolerance is ${tolerance}; it must be a number from 0.`, { path: "tolerance", got: tolerance });
  let first = 0;
  let batch: Demonstration[] = [];
  for (const demonstration of demonstrations) {
    batch.push(demonstration);
    if (batch.length < batchCount) continue;
    yield* await replayBatch(batch, first, tolerance, replayer, settings.signal);
    first += batch.length;
    batch = [];
  }
  if (batch.length > 0) yield* await replayBatch(batch, first, tolerance, replayer, settings.signal);
}

async function replayBatch<Env extends VectorEnvironment>(
  batch: readonly Demonstration[],
  first: number,
  tolerance: number,
  replayer: Replayer<Env>,
  signal: AbortSignal | undefined,
): Promise<ReplayReport[]> {
  if (signal?.aborted === true) throw new DifftuneError("CANCELLED", "The replay was cancelled.", { cause: signal.reason });
  using env = await replayer.open(batch.length);
  const size = env.actionSpace.size;
  const columns = replayer.columns(env);
  for (const [index, { actions, observations, rewards }] of batch.entries()) {
    const steps = rewards.length;
    if (actions.length !== steps * size || observations.length !== steps * columns.length) {
      throw new DifftuneError("SHAPE", `Demonstration ${first + index} has ${actions.length} action and ${observations.length} observation numbers for ${steps} steps.`, {
        hint: `The environment takes ${size} and gives ${columns.length} a step. Was it recorded in another one, or with other options?`,
        index: first + index,
      });
    }
  }
  await env.reset(batch.map(({ seed }) => seed));
  for (const [index, recording] of batch.entries()) replayer.act?.(env, index, recording, recording.actions);
  const rows = new Float64Array(columns.length);
  const tallies = batch.map(() => ({ largest: 0, step: 0, column: 0, firstStep: undefined as number | undefined }));
  const firstSteps: Record<string, number>[] = batch.map(() => ({}));
  const reports: ReplayReport[] = [];
  const compare = (index: number, row: number): void => {
    const recorded = batch[index]!.observations;
    const tally = tallies[index]!;
    replayer.read(env, index, rows);
    for (let column = 0; column < rows.length; column++) {
      if (Number.isNaN(rows[column])) continue;
      const apart = difference(columns[column]!, rows[column]!, recorded[row * rows.length + column]!);
      if (apart > tolerance) tally.firstStep ??= row;
      if (apart > tally.largest) Object.assign(tally, { largest: apart, step: row, column });
    }
  };
  const ends = batch.map(({ rewards }) => Math.max(rewards.length, replayer.least));
  for (let step = 0; reports.length < batch.length; step++) {
    for (const [index, { rewards, actions }] of batch.entries()) {
      // Row t is what was seen before action t.
      if (step < rewards.length) compare(index, step);
      else if (replayer.least === 0) continue;
      for (let place = 0; place < size; place++) {
        env.actions[index * size + place] = step < rewards.length ? actions[step * size + place]! : 0;
      }
    }
    const { running } = await env.stepChunk(env.actions);
    for (const [index, demonstration] of batch.entries()) {
      if (step >= ends[index]!) continue;
      for (const column of replayer.watched) if (running.get(index, column) !== 0) firstSteps[index]![column] ??= step + 1;
      if (step + 1 < ends[index]!) continue;
      const { largest, step: worstStep, column, firstStep } = tallies[index]!;
      const outcome = explain(env.outcome(index, "running"), firstSteps[index]!);
      const deviation = Object.freeze({ largest, step: worstStep, coordinate: columns[column]!, firstStep });
      reports.push(Object.freeze({
        index: first + index,
        label: demonstration.label,
        steps: demonstration.rewards.length,
        episodeReturn: running.get(index, "return"),
        outcome,
        deviation,
        diagnosis: diagnose(outcome, deviation, replayer.touches.map((name) => firstSteps[index]![name] ?? Infinity)),
        firstSteps: Object.freeze(firstSteps[index]!),
        measures: Object.freeze(Object.fromEntries(running.names.map((name) => [name, running.get(index, name)]))),
      }));
    }
  }
  return reports.sort((a, b) => a.index - b.index);
}

/** Adds to a verdict the step at which the trouble began. */
function explain(outcome: EpisodeOutcome, firstSteps: Readonly<Record<string, number>>): EpisodeOutcome {
  const step = { collision: firstSteps.collided, outOfReach: firstSteps.tableSteps }[outcome.reason];
  return step === undefined ? outcome : { ...outcome, detail: `${outcome.detail.slice(0, -1)}, first at step ${step}.` };
}

function diagnose(outcome: EpisodeOutcome, { firstStep, largest, step, coordinate }: Deviation, touches: readonly number[]): string {
  if (firstStep === undefined) return outcome.detail;
  const cause = Math.min(...touches) <= firstStep + 1
    ? "after something was touched"
    : "although nothing was touched: it was made in another scene, or with other options";
  return `${outcome.detail} Leaves the recording at row ${firstStep} (at most ${largest.toPrecision(2)} off, ${coordinate} of row ${step}) ${cause}.`;
}

/** |a - b|, for an angle the shorter way round. */
function difference(coordinate: string, a: number, b: number): number {
  const apart = Math.abs(a - b);
  return coordinate.endsWith("Angle") ? Math.min(apart, Math.abs(2 * Math.PI - apart)) : apart;
}
