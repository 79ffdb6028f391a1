import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, parseOptions, wholeNumber } from "../core/options.js";
import { Batch, batchOptions } from "./batch.js";
import { BatchEnvironment } from "./batch-environment.js";
import { drawPushT, type Box, type PushTPose } from "./drawing/pusht.js";
import { Space, type ChunkResult, type Coordinate, type EpisodeOutcome, type Image } from "./environment.js";

const worldPx = finiteNumber(-10_000, 10_000);

/** Distance of the T's centre of gravity from its origin, px. */
const gravityY = 45;

/** Numbers of a start: agent x, y, block x, y, angle. */
const startSize = 5;
const start = v.pipe(
  v.array(worldPx, "It must be agent x, y, block x, y, angle."),
  v.length(startSize, "It must be agent x, y, block x, y, angle."),
);

/** Where episodes begin. */
const starts = v.strictObject({
  /** Agent x, y, block x, y in px and the T's angle of every start, put in place in the order of `resetOrder`; the seed chooses one. */
  states: v.pipe(v.array(start, "It must be a list of starts."), v.minLength(1, "There must be a start."), v.maxLength(100_000, "There must be 100,000 starts at most.")),
  /** Each place is moved by up to so many px, both ways. */
  jitterPx: v.optional(finiteNumber(0, 512), 0),
  /** The T is turned by up to so many rad, both ways. */
  jitterAngle: v.optional(finiteNumber(0, Math.PI), 0),
});

/** The schema of {@link PushTOptions}. */
export const pushtSchema = v.pipe(
  v.strictObject({
    ...batchOptions,
    /**
     * `push` (default): push the T onto its goal. `reach`: drive the agent to a point, which a policy learns in a minute;
     * reward 1 - distance / 256, from 0.
     */
    task: v.optional(oneOf(["push", "reach"]), "push"),
    /** What a policy sees: the state, 5 numbers; nine keypoints of the T and the agent, 20; its eight corners and the agent, 18. */
    observation: v.optional(oneOf(["state", "keypoints", "corners"]), "state"),
    /**
     * What an action says: the target of the step in px (default, the published task), or its offset from where the agent is. Offsets
     * are learned much faster, and noise of one share of their range moves the agent a tenth as far.
     */
    action: v.optional(oneOf(["target", "offset"]), "target"),
    /** Steps of 0.1 s after which an episode is truncated; 0 never truncates. */
    maxSteps: v.optional(wholeNumber(0, 1_000_000_000), 300),
    /** Share of the goal that the T must cover, strictly more. 0.95 is the published task, FDPP uses 0.90. */
    successCoverage: v.optional(finiteNumber(0.01, 1), 0.95),
    /** Whether success ends the episode. Without it the episode runs to `maxSteps`, as in Diffusion Policy's maximum-reward score. */
    endOnSuccess: v.optional(v.boolean("It must be true or false."), true),
    /** Whether an episode is truncated when the T's centre of gravity leaves the canvas; the walls are thin, an agent can press it through. */
    truncateOutside: v.optional(v.boolean("It must be true or false."), false),
    /** A rectangle that the agent should stay out of, px; entering it is counted, not punished. An episode's mode is then `avoidedBox` or `enteredBox`. */
    forbiddenBox: v.optional(v.strictObject({ x0: worldPx, y0: worldPx, x1: worldPx, y1: worldPx })),
    /** Where `reach` leads and the distance that counts as there, px. */
    reach: v.optional(
      v.strictObject({
        x: v.optional(finiteNumber(0, 512), 256),
        y: v.optional(finiteNumber(0, 512), 256),
        radius: v.optional(finiteNumber(0.1, 512), 10),
      }),
      {},
    ),
    /** `legacy` (default): position before angle, as gym-pusht, the recorded demonstrations and their seeds. `angleFirst`: the drawn position is the reported one. */
    resetOrder: v.optional(oneOf(["legacy", "angleFirst"]), "legacy"),
    /** Starts near given ones, such as ten that are hard. Without them every seed draws a start of its own from the whole canvas. */
    starts: v.optional(starts),
    /** `fast` (default) names the touching features in closed form, `exact` runs the reference's own search; the bits are the same. */
    collision: v.optional(oneOf(["fast", "exact"]), "fast"),
  }),
  v.check(
    ({ forbiddenBox: box }) => box === undefined || (box.x0 < box.x1 && box.y0 < box.y1),
    "option forbiddenBox needs x0 < x1 and y0 < y1.",
  ),
);

/** Options of {@link createPushT}. */
export type PushTOptions = v.InferInput<typeof pushtSchema>;

const episodeColumns = ["maxCoverage", "coverage", "boxSteps", "boxOverlapSteps", "contactSteps"] as const;

const agent: readonly Coordinate[] = [
  { name: "agentX", low: 0, high: 512, unit: "px" },
  { name: "agentY", low: 0, high: 512, unit: "px" },
];

function points(prefix: string, count: number): Coordinate[] {
  return Array.from({ length: count }, (_, index) => [
    { name: `${prefix}${index}X`, low: 0, high: 512, unit: "px" },
    { name: `${prefix}${index}Y`, low: 0, high: 512, unit: "px" },
  ]).flat();
}

const observations = {
  state: [
    ...agent,
    { name: "blockX", low: 0, high: 512, unit: "px" },
    { name: "blockY", low: 0, high: 512, unit: "px" },
    { name: "blockAngle", low: 0, high: 2 * Math.PI, unit: "rad" },
  ],
  keypoints: [...points("keypoint", 9), ...agent],
  corners: [...points("corner", 8), ...agent],
} as const;

const actions = {
  target: [{ name: "targetX", low: 0, high: 512, unit: "px" }, { name: "targetY", low: 0, high: 512, unit: "px" }],
  offset: [{ name: "offsetX", low: -512, high: 512, unit: "px" }, { name: "offsetY", low: -512, high: 512, unit: "px" }],
} as const;

const observationKinds = { state: "PUSHT_STATE", keypoints: "PUSHT_KEYPOINTS", corners: "PUSHT_CORNERS" } as const;

/** Bits of {@link PushT.stepFlags}. */
export const pushtStepFlags = Object.freeze({ inBox: 1, inContact: 2, overlapsBox: 4, executed: 0x80000000 });

/** A demonstrated episode: targets of its steps, as they were meant and as the hand gave them. */
interface Plan {
  readonly length: number;
  readonly success: boolean;
  readonly aimed: Float32Array;
  readonly given: Float32Array;
}

/** Agent x, y and velocity; block x, y, angle. */
type StateRow = readonly [number, number, number, number, number, number, number];

/** Options of {@link PushT.image}. */
export interface PushTImageOptions {
  /** Width and height, px: 96 (default) is what pixel policies see, 680 the view for people. */
  readonly side?: number;
  /** Marks the commanded target with a red cross. */
  readonly target?: readonly [x: number, y: number];
}

/**
 * Push-T: an agent, told where to go, pushes a T onto its goal. The physics is Chipmunk's, step by step, in WASM.
 *
 * @example
 * const env = await createPushT({ count: 64, observation: "keypoints", observationSteps: 2, actionSteps: 8 });
 * const { observations } = await env.reset();
 */
export async function createPushT(options: PushTOptions = {}): Promise<PushT> {
  const { memory, threads, ...settings } = parseOptions(pushtSchema, options, "createPushT");
  const actionSpace = new Space(actions[settings.action]);
  const name = settings.task === "reach" ? "pusht-reach" : "pusht";
  const batch = await Batch.open(
    { prefix: "pusht", name, observationKind: observationKinds[settings.observation], actionSpace, groupSize: 16, episodeColumns },
    { ...settings, memory, threads },
  );
  const { physics } = batch;
  batch.setDouble("PUSHT_SUCCESS_COVERAGE", settings.successCoverage);
  if (settings.forbiddenBox !== undefined) {
    batch.setDouble("PUSHT_BOX_X0", settings.forbiddenBox.x0);
    batch.setDouble("PUSHT_BOX_Y0", settings.forbiddenBox.y0);
    batch.setDouble("PUSHT_BOX_X1", settings.forbiddenBox.x1);
    batch.setDouble("PUSHT_BOX_Y1", settings.forbiddenBox.y1);
  }
  batch.setDouble("PUSHT_REACH_X", settings.reach.x);
  batch.setDouble("PUSHT_REACH_Y", settings.reach.y);
  batch.setDouble("PUSHT_REACH_RADIUS", settings.reach.radius);
  if (settings.starts !== undefined) {
    const { states, jitterPx, jitterAngle } = settings.starts;
    batch.setWord("PUSHT_START_COUNT", states.length);
    const table = batch.allocate(8 * startSize * states.length);
    batch.memory.f64(table, startSize * states.length).set(states.flat());
    batch.setWord("PUSHT_STARTS", table);
    batch.setDouble("PUSHT_START_JITTER", jitterPx);
    batch.setDouble("PUSHT_START_TURN", jitterAngle);
  }
  batch.setWord("PUSHT_RESET_ORDER", settings.resetOrder === "legacy" ? 0 : 1);
  batch.setWord("PUSHT_COLLISION", physics.constant(settings.collision === "fast" ? "PUSHT_FAST" : "PUSHT_EXACT"));
  batch.setWord("PUSHT_TASK", physics.constant(settings.task === "push" ? "PUSHT_PUSH" : "PUSHT_REACH"));
  batch.setWord("PUSHT_ACTION", settings.action === "target" ? 0 : 1);
  batch.setWord("PUSHT_END_ON_SUCCESS", settings.endOnSuccess ? 1 : 0);
  batch.setWord("PUSHT_TRUNCATE_OUTSIDE", settings.truncateOutside ? 1 : 0);
  return new PushT(name, batch, Object.freeze(settings), actionSpace);
}

/** The options that define a Push-T environment, resolved. */
export type PushTSettings = Readonly<Omit<v.InferOutput<typeof pushtSchema>, "memory" | "threads">>;

/** E Push-T environments; see {@link createPushT}. Bits of its `stepFlags`: {@link pushtStepFlags}. */
export class PushT extends BatchEnvironment<PushTSettings> {
  /** @internal Use {@link createPushT}. */
  constructor(name: string, batch: Batch, options: PushTSettings, actionSpace: Space) {
    super(name, batch, options, new Space(observations[options.observation]), actionSpace, ["agentX", "agentY"]);
  }

  /** Starts every environment from given poses, [E, 5]: agent x, y, block x, y, angle, put in place in the order of `resetOrder`. */
  override resetTo(starts: ArrayLike<number>): ChunkResult | Promise<ChunkResult> {
    return super.resetTo(starts);
  }

  /** Where agent and T of environment `index` stand. */
  pose(index = 0): PushTPose {
    this.batch.checkIndex(index);
    const { physics, pointer, scratch } = this.batch;
    physics.call("pusht_read_state")(pointer, index, scratch.byteOffset);
    const [agentX, agentY, , , blockX, blockY, blockAngle] = scratch as unknown as StateRow;
    return { agentX, agentY, blockX, blockY, blockAngle };
  }

  /** The start from which environment `index` would stand as it does now, but for its speed: agent x, y, block x, y, angle, in the order of `resetOrder`. */
  startAt(index = 0): readonly number[] {
    const { agentX, agentY, blockX, blockY, blockAngle } = this.pose(index);
    if (this.options.resetOrder === "angleFirst") return [agentX, agentY, blockX, blockY, blockAngle];
    // Position first: the centre of gravity is put where it is at angle 0, then the T turns about it.
    const [x, y] = [blockX - gravityY * Math.sin(blockAngle), blockY - gravityY * (1 - Math.cos(blockAngle))];
    return [agentX, agentY, x, y, blockAngle];
  }

  /** @internal The demonstrator of these environments' episodes; its arrays are the same ones every time. See `demonstratePushT`. */
  planner({ consistent, shakePx }: { readonly consistent: boolean; readonly shakePx: number }): (seed: number) => Plan {
    const { physics, pointer } = this.batch;
    const work = this.batch.allocate(physics.call("pusht_expert_bytes")());
    const targets = (): Float32Array => this.batch.memory.f32(this.batch.allocate(this.maxSteps * 8), this.maxSteps * 2);
    const aimed = targets();
    const given = shakePx > 0 ? targets() : aimed;
    const plan = physics.call("pusht_expert");
    return (seed) => {
      const answer = plan(work, pointer, seed, consistent ? 1 : 0, shakePx, aimed.byteOffset, given.byteOffset);
      return { length: Math.abs(answer), success: answer > 0, aimed, given };
    };
  }

  override outcome(index: number, episode: "finished" | "running" = "finished"): EpisodeOutcome {
    this.batch.checkIndex(index);
    const table = this.result[episode];
    const length = table.get(index, "length");
    // With a forbidden box there are two ways of doing the task.
    const way = this.options.forbiddenBox === undefined ? {} : { mode: table.get(index, "boxSteps") === 0 ? "avoidedBox" : "enteredBox" };
    if (table.get(index, "success") === 1) return { success: true, reason: "success", detail: `Success after ${length} steps.`, ...way };
    if (this.options.task === "reach") {
      return { success: false, reason: "outOfSteps", detail: `The point was not reached within ${length} steps.`, ...way };
    }
    const best = table.get(index, "maxCoverage");
    const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
    const untouched = table.get(index, "contactSteps") === 0;
    return {
      success: false,
      reason: untouched ? "neverTouched" : "outOfSteps",
      detail: untouched
        ? `The T was never touched in ${length} steps.`
        : `Best coverage ${percent(best)} of the needed ${percent(this.options.successCoverage)} within ${length} steps.`,
      ...way,
    };
  }

  /** The picture of environment `index`, anti-aliased, with the forbidden box. */
  override render(index = 0, side = 384): Image {
    const picture = { pose: this.pose(index), ...this.#fixtures() };
    return drawPushT(picture, side);
  }

  /** The image that the reference environment shows, pixel for pixel. */
  image(index = 0, options: PushTImageOptions = {}): Image {
    this.batch.checkIndex(index);
    const { side = 96, target } = options;
    if (!Number.isInteger(side) || side < 1 || side > 4096) {
      throw new DifftuneError("OPTION", `side is ${side}; it must be a whole number from 1 to 4096.`, { path: "side", got: side });
    }
    if (target?.some((value) => !(Math.abs(value) <= 1e6)) === true) {
      throw new DifftuneError("OPTION", `target is [${target.join(", ")}]; it must be finite.`, { path: "target", got: target });
    }
    const { physics, pointer, memory } = this.batch;
    const bytes = side * side * 4;
    const canvas = memory.allocate(physics.constant("PUSHT_CANVAS_BYTES"));
    const scaled = memory.allocate(bytes);
    try {
      physics.call("pusht_draw")(pointer, index, canvas);
      physics.call("pusht_scale")(canvas, side, 4, scaled);
      if (target !== undefined) physics.call("pusht_mark_target")(...target, side, 4, scaled);
      return { width: side, height: side, pixels: Uint8ClampedArray.from(memory.u8(scaled, bytes)) };
    } finally {
      memory.free(scaled);
      memory.free(canvas);
    }
  }

  #fixtures(): { forbiddenBox?: Box; reach?: { x: number; y: number; radius: number } } {
    const { forbiddenBox, task, reach } = this.options;
    return { ...(forbiddenBox === undefined ? {} : { forbiddenBox }), ...(task === "reach" ? { reach } : {}) };
  }
}
