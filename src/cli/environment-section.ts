import { environmentNames, type EnvironmentName } from "../envs/registry.js";
import { avoidSchema } from "../envs/avoid.js";
import { pushtSchema } from "../envs/pusht.js";
import { nearestName, type OptionsSchema } from "../core/options.js";
import { DifftuneError } from "../core/errors.js";
import type { OptionSection } from "./command.js";
import { describedOptions } from "./options.js";

const avoidOptions = describedOptions(avoidSchema.entries, {
  physics: "arm: seven joints under their controller, 35 steps of 1 ms. planar: a fitted point, about 2 mm off and many times faster.",
  reward: "What is paid: passing the third row by gap m5 (nearest the robot) to m8, plus the line; or the line alone, plain.",
  sparse: "Pay 1 only where gap and line both hold, and nothing else.",
  observationDelay: "1: a step answers with the state in which its action was chosen, as in DPPO. 0: with the state that it led to.",
  obstacles: "Whether the six cylinders stand there.",
  height: "Height of the set-point, m.",
  startBox: "Starts are drawn from the rectangle x0, y0 to x1, y1, m; without it every episode starts at the task's own point.",
  maxSteps: "Steps of 35 ms after which an episode is truncated; 0 never truncates.",
  threads: "Threads that simulate. Default: the cores.",
});

const pushtOptions = describedOptions(pushtSchema.entries, {
  task: "push: push the T onto its goal. reach: drive the agent to a point.",
  observation: "What a policy sees: the state, 5 numbers; nine keypoints of the T and the agent, 20; its eight corners and the agent, 18.",
  action: "What an action says: the target of the step, or its offset from where the agent is.",
  maxSteps: "Steps of 0.1 s after which an episode is truncated; 0 never truncates.",
  successCoverage: "Share of the goal that the T must cover, strictly more.",
  endOnSuccess: "Whether success ends the episode.",
  truncateOutside: "Whether an episode is truncated when the T's centre of gravity leaves the canvas.",
  resetOrder: "How a seed becomes a start: legacy as gym-pusht and the recorded demonstrations, angleFirst as its later releases.",
  starts: "Starts near given ones; a list of [agent x, y, block x, y, angle] in px and rad, and how far a start may be moved and turned.",
  threads: "Threads that simulate. Default: the cores.",
});

/** The name of a built-in environment, or an error with the nearest one. */
export function environmentName(name: string): EnvironmentName {
  const known = environmentNames.find((candidate) => candidate === name);
  if (known !== undefined) return known;
  const nearest = nearestName(name, environmentNames);
  throw new DifftuneError("OPTION", `There is no environment "${name}".`, {
    hint: nearest === undefined ? `There are ${environmentNames.join(", ")}.` : `Did you mean "${nearest}"?`,
    path: "environment",
    expected: environmentNames,
    got: name,
  });
}

/** The options of an environment that a command passes on to it. */
export function environmentSchema(name: EnvironmentName): OptionsSchema {
  return name.startsWith("avoid") ? avoidOptions : pushtOptions;
}

/** Them as flags `--env.*`. */
export function environmentSection(name: EnvironmentName): OptionSection {
  return { title: `Options of the environment ${name}`, prefix: "env", schema: environmentSchema(name) };
}
