import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber } from "../core/options.js";
import { avoidBoxTask, taskSchema, type TaskDescription } from "../preference/preference-task.js";
import { readBytes } from "./files.js";
import { pathOption } from "./options.js";

const px = finiteNumber(-10_000, 10_000);
const expression = v.pipe(v.string(), v.nonEmpty("It must be an expression."), v.title("EXPRESSION"));

/** Options of every command that labels by script, as entries of its schema. */
export const taskOptions = {
  task: v.optional(pathOption('What is preferred, a JSON file: {"name", "features": [expressions], "score": expression, "tieWidth"}.')),
  score: v.pipe(v.optional(expression), v.description("What is preferred: an expression of the columns of a state, higher is better, such as \"agentX > 330 and agentY > 300 ? -1 : 0\".")),
  box: v.pipe(v.optional(v.strictTuple([px, px, px, px])), v.description("What is preferred on Push-T: to keep out of the box x0,y0,x1,y1, px.")),
  features: v.pipe(v.optional(v.array(expression)), v.description("What the reward is learned from: expressions of the columns of a state. Default: those of the task, else where the agent is.")),
  tieWidth: v.pipe(v.optional(finiteNumber(0, 1e9)), v.description("Differences of the score below this are ties. Default: that of the task, else 0.")),
};

/** What was given of {@link taskOptions}. */
export interface GivenTask {
  readonly task?: string | undefined;
  readonly score?: string | undefined;
  readonly box?: readonly [number, number, number, number] | undefined;
  readonly features?: readonly string[] | undefined;
  readonly tieWidth?: number | undefined;
}

/** The preference that is asked for; undefined where none is, so that labels must be there already. */
export async function readTask(given: GivenTask, usualFeatures: readonly string[]): Promise<TaskDescription | undefined> {
  const { task, score, box, features, tieWidth } = given;
  const ways = Object.entries({ task, score, box }).filter(([, value]) => value !== undefined).map(([name]) => `--${name}`);
  if (ways.length > 1) throw new DifftuneError("OPTION", `${ways.join(" and ")} say different things of what is preferred.`, { hint: "Give one of them.", path: ways[0]!.slice(2) });
  const described = task !== undefined ? await readTaskFile(task)
    : box !== undefined ? boxTask(box)
    : score !== undefined ? { name: "expression", features: usualFeatures, score }
    : undefined;
  if (described === undefined) return undefined;
  return { ...described, ...(features === undefined ? {} : { features }), ...(tieWidth === undefined ? {} : { tieWidth }) };
}

function boxTask([x0, y0, x1, y1]: NonNullable<GivenTask["box"]>): TaskDescription {
  if (x0 < x1 && y0 < y1) return avoidBoxTask({ x0, y0, x1, y1 });
  throw new DifftuneError("OPTION", `The box ${x0},${y0},${x1},${y1} has no inside.`, { hint: "Write it as x0,y0,x1,y1 with x0 < x1 and y0 < y1.", path: "box", got: [x0, y0, x1, y1] });
}

async function readTaskFile(file: string): Promise<TaskDescription> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await readBytes(file)));
  } catch (cause) {
    if (cause instanceof DifftuneError) throw cause;
    throw new DifftuneError("FORMAT", `${file} is no JSON.`, { path: file, cause });
  }
  const checked = v.safeParse(taskSchema, value);
  if (checked.success) return checked.output;
  const [issue] = checked.issues;
  throw new DifftuneError("FORMAT", `${file} describes no task: "${v.getDotPath(issue) ?? ""}" ${issue.message}`, {
    path: file, hint: 'Write {"name": "keep left", "features": ["agentX / 256 - 1"], "score": "-agentX", "tieWidth": 0.05}.', cause: checked.issues,
  });
}
