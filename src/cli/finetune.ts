import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { oneOf, wholeNumber } from "../core/options.js";
import type { Policy } from "../diffusion/policy.js";
import { createDevice } from "../engine/create-device.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { environmentNames } from "../envs/registry.js";
import { chainOf } from "../rl/denoising-chain.js";
import type { IterationEvent } from "../rl/training.js";
import { exitCodes, type Command } from "./command.js";
import { environmentSchema, environmentSection, environmentName } from "./environment-section.js";
import { evaluateIn, evaluationPairs, formatShare } from "./evaluation.js";
import { Interruption } from "./interruption.js";
import { readBytes } from "./files.js";
import type { FinetuneMethod, MethodInput } from "./methods.js";
import { pathOption } from "./options.js";
import { environmentOf, environmentOptionsOf, fileIn, openEnvironment, placeNames, readPolicy, type Place } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { formatSeconds, Pace, Reporter } from "./reporter.js";
import { inputPath, readRunDescription, type RunFolder } from "./run-folder.js";
import { openRun, runOptions } from "./run-options.js";
import { endedBy, runTraining, type EventReader } from "./training-run.js";

function reader(pace: Pace): EventReader<IterationEvent> {
  return {
    name: "iteration",
    place: ({ iteration }) => iteration,
    // What was measured without exploration ranks above what was seen on the way.
    score: ({ mode, success, return: mean, chunkReward }) => {
      // Who learns from preferences is measured by them: the task is what the policy could do before.
      const value = chunkReward ?? success ?? mean;
      return value === undefined ? undefined : [mode === "evaluate" ? 1 : 0, value];
    },
    describe: ({ iteration, iterations, mode, success, return: mean, chunkReward, kl, alpha, envStepsPerSecond }) => [
      `iteration ${iteration + 1} of ${iterations}${mode === "evaluate" ? " (evaluation)" : ""}: success ${success === undefined ? "-" : `${(100 * success).toFixed(1)} %`}`,
      ...(chunkReward === undefined ? [`return ${mean === undefined ? "-" : mean.toFixed(1)}`] : [`learned reward ${chunkReward.toFixed(3)}`]),
      ...(kl === undefined ? [] : [`KL ${kl.toFixed(2)} at alpha ${alpha === undefined ? "-" : alpha.toPrecision(2)}`]),
      `${Math.round(envStepsPerSecond)} steps/s`,
      pace.left(iteration + 1, iterations),
    ].join(", "),
  };
}

/** Reads the file that a method works with: that which the option names, or a resumed run's own copy. */
async function readInput(input: MethodInput, given: string, env: VectorEnvironment): Promise<{ readonly bytes: Uint8Array; readonly value: unknown }> {
  const file = await fileIn(given, `${input.option}.safetensors`);
  const bytes = await readBytes(file);
  try {
    return { bytes, value: await input.read(bytes, env) };
  } catch (cause) {
    if (!(cause instanceof DifftuneError)) throw cause;
    throw new DifftuneError(cause.code, `${file} cannot be used: ${cause.message}`, { path: file, cause, ...(cause.hint === undefined ? {} : { hint: cause.hint }) });
  }
}

/** Draws the chain of the first decision of an episode, for the report; actions of fewer than two numbers have no picture. */
async function saveChain(device: Device, policy: Policy, place: Place, seed: number, run: RunFolder): Promise<void> {
  if (policy.actionSize < 2) return;
  using env = await openEnvironment(device, policy, place, { count: 1, seed });
  const { observations } = await env.reset([seed]);
  await run.saveChain(await chainOf(device, policy, observations));
}

/** The policy with chunks of another length; only a U-Net's parameters fit several horizons. */
function withChunks(policy: Policy, { horizon = policy.options.horizon, actionSteps }: { readonly horizon?: number | undefined; readonly actionSteps?: number | undefined }): Policy {
  const { options, chunking } = policy;
  if (horizon === options.horizon && actionSteps === undefined) return policy;
  return policy.withOptions({ horizon, actionSteps: actionSteps ?? Math.min(options.actionSteps, horizon - chunking.firstAction) });
}

/** `difftune finetune` with the given methods; the first is the default. */
export function finetuneCommand(methods: readonly FinetuneMethod[]): Command {
  const names = methods.map(({ name }) => name);
  const schema = v.strictObject({
    method: v.pipe(v.optional(oneOf(names), names[0]!), v.description("How, see below.")),
    policy: v.optional(pathOption("The policy to start from: its file, or the folder of its run. Required, unless a run is resumed.")),
    horizon: v.optional(v.pipe(wholeNumber(1, 1024), v.description("Actions that it shall predict; a U-Net was often trained for more than are tuned. Default: as it was made."))),
    actionSteps: v.optional(v.pipe(wholeNumber(1, 1024), v.description("Actions that it shall execute before it predicts again. Default: as it was made, or as many as lie ahead where that is less."))),
    environment: v.pipe(v.optional(oneOf(environmentNames)), v.description("Where it acts. Default: where its demonstrations were made.")),
    environments: v.pipe(v.optional(wholeNumber(1, 65_536), 50), v.description("Environments stepped together.")),
    ...runOptions,
  });
  const methodOf = (name = names[0]): FinetuneMethod => methods.find((method) => method.name === name) ?? methods[0]!;

  return {
    name: "finetune",
    description: "Fine-tune a policy in its environment with reinforcement learning, and evaluate it before and after.",
    examples: [
      { what: "DPPO on a pre-trained policy, in the environment of its demonstrations", words: "finetune --policy runs/m1-base/policy.safetensors --out runs/m1-dppo" },
      { what: "With other options, watched in TensorBoard", words: "finetune --policy runs/m1-base --tuned-steps 5 --rate.max 3e-5 --seed 1 --tensorboard" },
      { what: "By a reward that difftune label has learned from preferences", words: "finetune --method fdpp --policy runs/pusht --reward reward.safetensors" },
      { what: "The options of another method", words: `finetune --method ${names.at(-1)} --help` },
      { what: "Go on with a run that was stopped, and longer", words: "finetune --resume runs/m1-dppo --iterations 100" },
    ],
    choices: ["resume", "method", "environment", "policy"],
    base: async ({ resume }) => (resume === undefined ? {} : { ...(await readRunDescription(resume)).options }),
    sections: async ({ resume, method: asked, environment, policy }) => {
      const stored = resume === undefined ? undefined : await readRunDescription(resume);
      if (stored !== undefined && asked !== undefined && asked !== stored.method) {
        throw new DifftuneError("OPTION", `${resume} is a run of ${stored.method}, not of ${asked}.`, { path: "method", expected: stored.method, got: asked });
      }
      const { name, schema: recipe } = methodOf(stored?.method ?? asked);
      const named = environment ?? stored?.environment;
      const place = named === undefined ? policy === undefined ? undefined : environmentOf(await readPolicy(policy)) : environmentName(named);
      return [
        { title: "Options of the run", schema },
        { title: "Methods", schema: v.strictObject({}), notes: methods.map((method) => [method.name, method.description] as const) },
        environmentSection(place ?? "avoid"),
        { title: `Options of ${name}`, schema: recipe },
      ];
    },
    execute: async (options, { commandLine }) => {
      const own = options.read(schema);
      const method = methodOf(own.method);
      const recipe: Readonly<Record<string, unknown>> = options.readRecipe(method.schema);
      const seed = typeof recipe.seed === "number" ? recipe.seed : 0;
      const { resume, evaluationEpisodes: episodes, evaluationSeed, checkpointSeconds } = own;
      if (own.policy === undefined) throw new DifftuneError("OPTION", "finetune needs a policy.", { path: "policy", hint: "Give one by --policy; difftune pretrain makes one." });
      if (!isQuietChild()) return runQuietly();
      const reporter = new Reporter(own.json);
      using interruption = new Interruption(() => { reporter.note("Stopping after this iteration; Ctrl-C again stops at once."); });
      const { signal } = interruption;
      // A run that is taken up again starts from its own copy, whatever has become of the original.
      const initial = resume === undefined ? withChunks(await readPolicy(own.policy), own) : await readPolicy(`${resume}/initial.safetensors`);
      const name = own.environment ?? environmentOf(initial);
      if (name === undefined) throw new DifftuneError("OPTION", "The policy does not say which environment it was made for.", { path: "environment", hint: `Give one by --environment: ${environmentNames.join(", ")}.` });
      const place: Place = { name, options: { ...environmentOptionsOf(initial, name), ...options.readGiven("env", environmentSchema(name)) } };
      using device = await createDevice({ engine: own.engine });
      using env = await openEnvironment(device, initial, place, { count: own.environments, seed, ...(method.recordsSteps === true ? { recordSteps: true } : {}) });
      const input = method.input && await readInput(method.input, resume === undefined ? String(recipe[method.input.option]) : inputPath(resume, method.input.option), env);
      const loaded = method.input && input && { [method.input.option]: input.value };
      const { run, checkpoint, training } = await openRun(own, reporter, `${name}-${method.name}-${seed}`, {
        command: commandLine, method: method.name, environment: name, seed, engine: { ...device.info },
        options: { ...own, environment: name, env: place.options, ...recipe },
      }, (state) => method.start(device, initial, env, { ...recipe, ...loaded, signal, ...(state === undefined ? {} : { resume: state }) }));
      try {
        if (resume === undefined) {
          await run.saveInitialPolicy(initial.encode());
          if (method.input && input) await run.saveInput(method.input.option, input.bytes);
        }
        const trial = { device, place, reporter, run };
        const wanted = { episodes, seed: evaluationSeed, signal, isDeterministic: method.comparedWith === undefined };
        const hasBefore = run.records.some(({ event, when }) => event === "evaluation" && when === "before");
        const before = episodes > 0 && !hasBefore ? await evaluateIn({ ...trial, policy: method.comparedWith?.(initial, recipe) ?? initial, when: "before" }, wanted) : undefined;
        const pace = new Pace(checkpoint === undefined ? 0 : checkpoint.iteration + 1);
        const { policy, isInterrupted } = await runTraining({
          training, reader: reader(pace), run, reporter, interruption, checkpointSeconds,
          metadata: { command: commandLine, [placeNames.environment]: name, [placeNames.options]: JSON.stringify(place.options) },
        });
        if (isInterrupted) {
          reporter.summary({ event: "interrupted", run: run.folder }, [["stopped", `go on by: difftune finetune --resume ${run.folder}`]]);
          return exitCodes.interrupted;
        }
        const after = episodes === 0 ? undefined : await evaluateIn({ ...trial, policy, when: "after" }, wanted);
        await saveChain(device, policy, place, evaluationSeed, run);
        reporter.summary({ event: "done", run: run.folder }, [
          ["policy", `${run.folder}/policy.safetensors`],
          ["trained", `in ${formatSeconds(pace.seconds)} on ${device.info.description}`],
          ...(before === undefined ? [] : [["before", `success ${formatShare(before.success)}`] as const]),
          ...(after === undefined ? [] : evaluationPairs(after)),
          ["next", `difftune report ${run.folder}`],
        ]);
        return exitCodes.done;
      } catch (error) {
        return endedBy(error, { command: "finetune", run, reporter, interruption });
      } finally {
        await run.close();
      }
    },
  };
}
