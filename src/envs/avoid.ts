import * as v from "valibot";
import { finiteNumber, oneOf, parseOptions, wholeNumber } from "../core/options.js";
import { avoidScene, modeOf } from "./avoid-scene.js";
import { Batch, batchOptions } from "./batch.js";
import { BatchEnvironment } from "./batch-environment.js";
import { drawAvoid } from "./drawing/avoid.js";
import { Space, type ChunkResult, type Coordinate, type EpisodeOutcome, type Image } from "./environment.js";

const tableMetres = finiteNumber(-2, 2);
const yesOrNo = v.boolean("It must be true or false.");

/** The schema of {@link AvoidOptions}. */
export const avoidSchema = v.pipe(
  v.strictObject({
    ...batchOptions,
    /** `arm` (default): the seven joints under their controller, 35 steps of 1 ms. `planar`: a fitted point, about 2 mm off and many times faster. */
    physics: v.optional(oneOf(["arm", "planar"]), "arm"),
    /** What is paid: passing the third row by gap `m5` (nearest the robot) to `m8`, plus the line; or the line alone, `plain`. */
    reward: v.optional(oneOf(["m5", "m6", "m7", "m8", "plain"]), "m5"),
    /** Pays 1 only where gap and line both hold, and nothing else. */
    sparse: v.optional(yesOrNo, false),
    /** 1 (default): a step answers with the state in which its action was chosen, as in DPPO. 0: with the state that it led to. */
    observationDelay: v.optional(v.picklist([0, 1], "It must be 0 or 1."), 1),
    /** Whether the six cylinders stand there. */
    obstacles: v.optional(yesOrNo, true),
    /** Height of the set-point, m. 0.12 (default) is DPPO's; the recordings of D3IL were made at 0.12235930599. */
    height: v.optional(finiteNumber(0.02, 0.4), 0.12),
    /** Starts are drawn from this rectangle, m; without it every episode starts at the task's own point. */
    startBox: v.optional(v.strictObject({ x0: tableMetres, y0: tableMetres, x1: tableMetres, y1: tableMetres })),
    /** Steps of 35 ms after which an episode is truncated; 0 never truncates. Nothing else ends an episode. */
    maxSteps: v.optional(wholeNumber(0, 1_000_000_000), 100),
  }),
  v.check(({ startBox: box }) => box === undefined || (box.x0 <= box.x1 && box.y0 <= box.y1), "option startBox needs x0 <= x1 and y0 <= y1."),
);

/** Options of {@link createAvoid}. */
export type AvoidOptions = v.InferInput<typeof avoidSchema>;

/** The options that define an Avoid environment, resolved. */
export type AvoidSettings = Readonly<Omit<v.InferOutput<typeof avoidSchema>, "memory" | "threads">>;

const observations: readonly Coordinate[] = [
  { name: "desiredX", low: 0.2, high: 0.8, unit: "m" },
  { name: "desiredY", low: -0.3, high: 0.5, unit: "m" },
  { name: "actualX", low: 0.2, high: 0.8, unit: "m" },
  { name: "actualY", low: -0.3, high: 0.5, unit: "m" },
];

const episodeColumns = ["modes", "collided", "obstacle", "bestChunk", "tableSteps"] as const;

/** Bits of {@link Avoid.stepFlags}. */
export const avoidStepFlags = Object.freeze({ inContact: 2, executed: 0x80000000 });

/** Where the hand of one environment is and shall be, m. */
export interface AvoidPose {
  readonly desiredX: number;
  readonly desiredY: number;
  readonly actualX: number;
  readonly actualY: number;
  readonly actualZ: number;
  /** Where the joints, as they are now, put the hand: 1 ms ahead of the reported position. */
  readonly aheadX: number;
  readonly aheadY: number;
}

type PoseRow = readonly [number, number, number, number, number, number, number];

/**
 * Avoid: a robot hand with a vertical rod is driven past six cylinders to a line, the D3IL task as DPPO uses it.
 *
 * @example
 * const env = await createAvoid({ count: 50, actionSteps: 4 });
 * const { observations } = await env.reset();
 */
export async function createAvoid(options: AvoidOptions = {}): Promise<Avoid> {
  const { memory, threads, ...settings } = parseOptions(avoidSchema, options, "createAvoid");
  const actionSpace = new Space([
    { name: "incrementX", low: -0.0125, high: 0.0125, unit: "m" },
    { name: "incrementY", low: -0.0125, high: 0.0125, unit: "m" },
  ]);
  const name = settings.obstacles ? "avoid" : "avoid-free";
  const batch = await Batch.open(
    { prefix: "avoid", name, observationKind: "AVOID_STATE", actionSpace, groupSize: 4, episodeColumns },
    { ...settings, memory, threads },
  );
  if (settings.startBox !== undefined) {
    batch.setDouble("AVOID_START_X0", settings.startBox.x0);
    batch.setDouble("AVOID_START_Y0", settings.startBox.y0);
    batch.setDouble("AVOID_START_X1", settings.startBox.x1);
    batch.setDouble("AVOID_START_Y1", settings.startBox.y1);
  }
  batch.setDouble("AVOID_HEIGHT", settings.height);
  batch.setWord("AVOID_LEVEL", settings.physics === "arm" ? 0 : 1);
  batch.setWord("AVOID_REWARD_FLAG", rewardFlag(settings.reward));
  batch.setWord("AVOID_SPARSE", settings.sparse ? 1 : 0);
  batch.setWord("AVOID_OBSERVATION_DELAY", settings.observationDelay);
  batch.setWord("AVOID_OBSTACLES", settings.obstacles ? 1 : 0);
  return new Avoid(name, batch, Object.freeze(settings), actionSpace);
}

function rewardFlag(reward: AvoidSettings["reward"]): number {
  return reward === "plain" ? 0 : Number(reward.slice(1));
}

/** E Avoid environments; see {@link createAvoid}. Bits of its `stepFlags`: {@link avoidStepFlags}. */
export class Avoid extends BatchEnvironment<AvoidSettings> {
  /** @internal Use {@link createAvoid}. */
  constructor(name: string, batch: Batch, options: AvoidSettings, actionSpace: Space) {
    super(name, batch, options, new Space(observations), actionSpace, ["actualX", "actualY"]);
  }

  /** Starts every environment with its hand at rest at a given place, [E, 2]: x, y. A place out of reach is refused. */
  override resetTo(starts: ArrayLike<number>): ChunkResult | Promise<ChunkResult> {
    return super.resetTo(starts);
  }

  /** Where the hand of environment `index` is now, whatever the observation delay. */
  pose(index = 0): AvoidPose {
    this.batch.checkIndex(index);
    const { physics, pointer, scratch } = this.batch;
    physics.call("avoid_pose")(pointer, index, scratch.byteOffset);
    const [desiredX, desiredY, actualX, actualY, actualZ, aheadX, aheadY] = scratch as unknown as PoseRow;
    return { desiredX, desiredY, actualX, actualY, actualZ, aheadX, aheadY };
  }

  /** The verdict; its mode is the gap of the third row that was passed untouched: `m5` (nearest the robot) to `m8`. */
  override outcome(index: number, episode: "finished" | "running" = "finished"): EpisodeOutcome {
    this.batch.checkIndex(index);
    const table = this.result[episode];
    const length = table.get(index, "length");
    const flags = table.get(index, "modes");
    const gap = [5, 6, 7, 8].find((flag) => (flags & (1 << flag)) !== 0);
    const taken = gap === undefined ? {} : { mode: `m${gap}` };
    if (table.get(index, "success") === 1) {
      const way = modeOf(flags);
      return { success: true, reason: "success", detail: `Success${way === undefined ? "" : ` in mode ${way}`}.`, ...taken };
    }
    if (table.get(index, "collided") === 1) {
      const obstacle = avoidScene.obstacles[table.get(index, "obstacle")];
      return { success: false, reason: "collision", detail: `The rod touched the cylinder of ${obstacle?.name ?? "an unknown row"}.` };
    }
    const failure = (reason: string, detail: string): EpisodeOutcome => ({ success: false, reason, detail, ...taken });
    const tableSteps = table.get(index, "tableSteps");
    if (tableSteps > 0) return failure("outOfReach", `The hand left the arm's reach: the rod stood on the table for ${tableSteps} steps.`);
    const rewarded = rewardFlag(this.options.reward);
    if (gap === undefined) return failure("outOfSteps", `The third row was not passed within ${length} steps.`);
    if (rewarded !== 0 && gap !== rewarded) return failure("otherMode", `Passed the third row by gap m${gap}; the reward is for m${rewarded}.`);
    return failure("outOfSteps", `Passed the third row by gap m${gap}, but no whole chunk lay behind the line within ${length} steps.`);
  }

  /** The picture of environment `index`: where the hand is, and is told to be. */
  override render(index = 0, width = 480): Image {
    const { desiredX, desiredY, actualX, actualY } = this.pose(index);
    return drawAvoid([], { width, obstacles: this.options.obstacles, hand: { actual: [actualX, actualY], desired: [desiredX, desiredY] } });
  }
}
