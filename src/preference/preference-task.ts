import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, parseOptions } from "../core/options.js";
import type { Box } from "../envs/drawing/pusht.js";
import { compileExpression } from "./expression.js";

const expression = v.pipe(v.string("It must be an expression."), v.nonEmpty("It must be an expression."));

/** The schema of {@link TaskDescription}. */
export const taskSchema = v.strictObject({
  name: v.pipe(v.string("It must be a name."), v.minLength(1, "It must be a name."), v.maxLength(200, "It must be a name of at most 200 characters.")),
  features: v.pipe(v.array(expression, "It must be a list of expressions."), v.minLength(1, "It must be a list of at least 1 expression."), v.maxLength(1024, "It must be a list of at most 1024 expressions.")),
  score: v.optional(expression),
  tieWidth: v.optional(finiteNumber(0, Number.MAX_VALUE), 0),
});

/**
 * A preference as plain data, in code or as a JSON file. Every expression is one of the columns of a raw state, see
 * `compileExpression`.
 *
 * @example { "name": "keep out", "features": ["agentX / 256 - 1", "agentY / 256 - 1"], "score": "agentX > 330 and agentY > 300 ? -1 : 0", "tieWidth": 0.05 }
 */
export interface TaskDescription {
  /** What the preference is called; labels by script carry it as the name of their annotator. */
  readonly name: string;
  /** Reward features φ(state): what a reward is learned from. */
  readonly features: readonly string[];
  /** True score g of one state, higher is better: what a scripted annotator goes by. People need none. */
  readonly score?: string | undefined;
  /** Differences of the score below this are ties, in its unit. Default 0. */
  readonly tieWidth?: number;
}

/** A preference that can be computed, on the rows of a table of raw states. */
export interface PreferenceTask {
  readonly name: string;
  /** The expressions of the reward features, which name them. */
  readonly features: readonly string[];
  /** The columns that the features read. */
  readonly featureColumns: readonly string[];
  /** Reward features of one state; `row` of a table of raw states. */
  feature(states: ArrayLike<number>, row: number): readonly number[];
  /** True score g of one state: higher is better. */
  score(states: ArrayLike<number>, row: number): number;
  /** Default width of a tie, in the unit of the score. */
  readonly tieWidth: number;
  /** Columns of a raw state. */
  readonly width: number;
}

/**
 * Compiles a preference for states of some columns; see `compileExpression` for what an expression may hold.
 *
 * @param columns names of a raw state's columns, such as `env.observationSpace.names`
 * @example
 * const task = await compileTask(avoidBoxTask({ x0: 330, y0: 300, x1: 470, y1: 440 }), env.observationSpace.names);
 * const annotator = scriptedAnnotator(task);
 */
export async function compileTask(description: TaskDescription, columns: readonly string[]): Promise<PreferenceTask> {
  const { name, features, score: text, tieWidth } = parseOptions(taskSchema, description, "compileTask");
  if (text === undefined) {
    throw new DifftuneError("OPTION", `Task "${name}" has no score: only people can label it.`, { hint: "Give it one, such as \"agentX > 330 ? -1 : 0\".", path: "score" });
  }
  const [score, ...compiled] = await Promise.all([text, ...features].map((each) => compileExpression(each, columns)));
  const read = new Set(compiled.flatMap((each) => each.columns));
  return Object.freeze({
    name,
    features,
    featureColumns: Object.freeze(columns.filter((column) => read.has(column))),
    feature: (states: ArrayLike<number>, row: number) => compiled.map((each) => each.evaluate(states, row)),
    score: score!.evaluate,
    tieWidth,
    width: columns.length,
  });
}

/** A number within an expression. */
function literal(value: number): string {
  return value < 0 ? `(${value})` : String(value);
}

/**
 * Push-T with a forbidden box: features are the end-effector's place in [−1, 1]², the score is −1 inside the box, edges
 * included, and grows with the distance to it, up to 1 at `reach` pixels. States have the columns `agentX` and `agentY`.
 */
export function avoidBoxTask(box: Box, options: { readonly reach?: number; readonly size?: number } = {}): TaskDescription {
  const { reach = 150, size = 512 } = options;
  const [x0, y0, x1, y1, furthest, half] = [box.x0, box.y0, box.x1, box.y1, reach, size / 2].map(literal) as [string, string, string, string, string, string];
  const [dx, dy] = [`max(${x0} - agentX, 0, agentX - ${x1})`, `max(${y0} - agentY, 0, agentY - ${y1})`];
  return {
    name: "avoid-box",
    features: [`agentX / ${half} - 1`, `agentY / ${half} - 1`],
    score: `${dx} == 0 and ${dy} == 0 ? -1 : min(hypot(${dx}, ${dy}) / ${furthest}, 1)`,
    tieWidth: 0.05,
  };
}

/**
 * Stacking one cube exactly over the other: the score is minus the horizontal distance of their centres, in metres. Features are
 * the way from the red to the green cube and whether the red one is held.
 */
export const stackDistanceTask: TaskDescription = Object.freeze({
  name: "stack-distance",
  features: Object.freeze(["redToGreenX", "redToGreenY", "redToGreenZ", "held"]),
  score: "-hypot(redToGreenX, redToGreenY)",
  tieWidth: 0.003,
});

/** Angle of the red cube against the green one. */
const misalignment = "(atan2(redYawSin, redYawCos) - atan2(greenYawSin, greenYawCos))";

/**
 * Stacking with the cubes aligned: the score is minus the angle between them in degrees, 0 to 90 (a half turn counts as none).
 * Features are sine and cosine of twice that angle, the way from red to green, and whether red is held.
 */
export const stackAlignmentTask: TaskDescription = Object.freeze({
  name: "stack-alignment",
  features: Object.freeze([`sin(2 * ${misalignment})`, `cos(2 * ${misalignment})`, ...stackDistanceTask.features]),
  // asin |sin a| folds any angle to 0 … 90 degrees.
  score: `-180 / pi * asin(min(1, abs(sin(${misalignment}))))`,
  tieWidth: 2,
});
