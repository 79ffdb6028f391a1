import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { oneOf, wholeNumber } from "../core/options.js";
import type { Policy } from "../diffusion/policy.js";
import { createDevice } from "../engine/create-device.js";
import { environmentNames } from "../envs/registry.js";
import { evaluateSchema } from "../rl/evaluation.js";
import { exitCodes, type Command, type CommandOptions } from "./command.js";
import { environmentName, environmentSchema, environmentSection } from "./environment-section.js";
import { evaluateIn, evaluationPairs } from "./evaluation.js";
import { writeAtomically } from "./files.js";
import { Interruption } from "./interruption.js";
import { pathOption, sharedOptions } from "./options.js";
import { environmentOf, environmentOptionsOf, readPolicy, type Place } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { Reporter } from "./reporter.js";

/** Options of every command that lets a policy act, as entries of its schema. */
export const actingOptions = {
  policy: pathOption("The policy: its file, or the folder of its run; the bare word of the command."),
  environment: v.pipe(v.optional(oneOf(environmentNames)), v.description("Where it acts. Default: where it was made for.")),
  engine: sharedOptions.engine,
};

const schema = v.strictObject({
  ...actingOptions,
  environments: v.pipe(v.optional(wholeNumber(1, 65_536), 50), v.description("Environments stepped together; another number is another sample of the noise.")),
  out: v.optional(pathOption("A JSON file for the whole result, with ways and failures.")),
  json: sharedOptions.json,
});

/** Where a policy shall act: as its file says, but for what was given. */
export function placeOf(policy: Policy, options: CommandOptions, asked: Place["name"] | undefined): Place {
  const name = asked ?? environmentOf(policy);
  if (name === undefined) {
    throw new DifftuneError("OPTION", "The policy does not say which environment it was made for.", { path: "environment", hint: `Give one by --environment: ${environmentNames.join(", ")}.` });
  }
  return { name, options: { ...environmentOptionsOf(policy, name), ...options.readGiven("env", environmentSchema(name)) } };
}

/** The section of the environment that a policy will act in. */
export async function placeSection({ environment, policy }: Readonly<Record<string, string | undefined>>): Promise<ReturnType<typeof environmentSection>> {
  const name = environment === undefined ? policy === undefined ? undefined : environmentOf(await readPolicy(policy)) : environmentName(environment);
  return environmentSection(name ?? "avoid");
}

/** `difftune eval`: how good a policy is, over fixed seeds. */
export const evalCommand: Command = {
  name: "eval",
  description: "Evaluate a policy over fixed seeds: success, return, ways taken and reasons of failure, with intervals of 95 %.",
  examples: [
    { what: "The policy of a run, over 200 episodes", words: "eval runs/m1-dppo" },
    { what: "With exploration noise, 1000 episodes, everything into a file", words: "eval runs/m1-dppo/policy.safetensors --no-is-deterministic --episodes 1000 --out result.json" },
    { what: "In a variant of its environment", words: "eval runs/m1-dppo --env.reward m6" },
  ],
  word: { option: "policy" },
  choices: ["environment", "policy"],
  sections: async (chosen) => [
    { title: "Options", schema },
    { title: "Options of the evaluation", schema: evaluateSchema },
    await placeSection(chosen),
  ],
  execute: async (options, { commandLine }) => {
    const own = options.read(schema);
    const recipe = options.readRecipe(evaluateSchema);
    if (!isQuietChild()) return runQuietly();
    const reporter = new Reporter(own.json);
    const policy = await readPolicy(own.policy);
    const place = placeOf(policy, options, own.environment);
    using interruption = new Interruption();
    using device = await createDevice({ engine: own.engine });
    try {
      const evaluation = await evaluateIn({ device, policy, place, reporter, count: Math.min(own.environments, recipe.episodes) }, { ...recipe, signal: interruption.signal });
      if (evaluation === undefined) return exitCodes.failed;
      if (own.out !== undefined) await writeAtomically(own.out, `${JSON.stringify({ command: commandLine, environment: place, ...evaluation }, null, 2)}\n`);
      reporter.summary({ event: "done", ...(own.out === undefined ? {} : { out: own.out }) }, [["environment", place.name], ...evaluationPairs(evaluation)]);
      return exitCodes.done;
    } catch (error) {
      if (!interruption.isEcho(error)) throw error;
      return exitCodes.interrupted;
    }
  },
};
