import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, oneOf, wholeNumber } from "../core/options.js";

/**
 * The three counts of a diffusion policy, and where its horizon begins.
 *
 *     observationSteps = 2, horizon = 8, actionSteps = 4
 *     time          t-1   t    t+1  t+2  t+3  t+4  t+5  t+6  t+7
 *     seen           o    o
 *     predicted      a    a    a    a    a    a    a    a          horizonStart "oldest"
 *     executed            a    a    a    a
 *     predicted           a    a    a    a    a    a    a    a     horizonStart "newest"
 */
const schema = v.strictObject({
  /** To, observations that the policy sees. */
  observationSteps: v.optional(wholeNumber(1, 64), 1),
  /** H, actions that the policy predicts. */
  horizon: wholeNumber(1, 1024),
  /** Ta, actions that are executed before it predicts again. */
  actionSteps: wholeNumber(1, 1024),
  /**
   * To which of the observations the first predicted action belongs. `oldest` (diffusion policy) leaves
   * horizon - observationSteps + 1 actions that lie ahead, `newest` (DPPO) all of them. The same where observationSteps is 1.
   */
  horizonStart: v.optional(oneOf(["oldest", "newest"]), "oldest"),
});

/** What {@link resolveChunking} takes. */
export type ChunkingOptions = v.InferInput<typeof schema>;

/** Resolved chunking, with the place of the first executed action in the horizon. */
export type Chunking = Readonly<v.InferOutput<typeof schema>> & { readonly firstAction: number };

/**
 * Checks the counts of a policy against each other.
 *
 * @example resolveChunking({ observationSteps: 2, horizon: 16, actionSteps: 8 }).firstAction // 1
 */
export function resolveChunking(options: ChunkingOptions): Chunking {
  const resolved = parseOptions(schema, options, "resolveChunking");
  const { observationSteps, horizon, actionSteps, horizonStart } = resolved;
  const firstAction = horizonStart === "oldest" ? observationSteps - 1 : 0;
  const most = horizon - firstAction;
  if (actionSteps > most) {
    const rule = horizonStart === "oldest" ? "actionSteps <= horizon - observationSteps + 1" : "actionSteps <= horizon";
    throw new DifftuneError(
      "OPTION",
      `actionSteps is ${actionSteps}, but horizon ${horizon} with observationSteps ${observationSteps} leaves ${Math.max(most, 0)} actions to execute.`,
      { hint: `The rule is ${rule}.`, path: "actionSteps", expected: most, got: actionSteps },
    );
  }
  return Object.freeze({ ...resolved, firstAction });
}

/**
 * Copies the executed actions out of predicted chunks.
 *
 * @param predicted [rows, H, A]
 * @param executed [rows, Ta, A], written
 */
export function selectExecuted(predicted: Float32Array, executed: Float32Array, chunking: Chunking, actionSize: number): void {
  const from = chunking.horizon * actionSize;
  const to = chunking.actionSteps * actionSize;
  const rows = predicted.length / from;
  if (!Number.isInteger(rows) || executed.length !== rows * to) {
    throw new DifftuneError("SHAPE", `${predicted.length} predicted and ${executed.length} executed numbers do not belong together.`, {
      expected: [from, to],
      got: [predicted.length, executed.length],
    });
  }
  const offset = chunking.firstAction * actionSize;
  for (let row = 0; row < rows; row++) {
    for (let place = 0; place < to; place++) executed[row * to + place] = predicted[row * from + offset + place] ?? 0;
  }
}
