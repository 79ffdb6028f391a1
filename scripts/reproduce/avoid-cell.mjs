/** How the cells of `avoid-cells.mjs` are run. */
import { createAvoid, demonstrateAvoid, noisyActions } from "../../dist/envs/index.js";
import { chainOf, DatasetBuilder, dppo, ppo, pretrain, sourceOf } from "../../dist/index.js";
import { methods, usual } from "./avoid-cells.mjs";
import { chunksOf, optionsOf } from "./avoid-recipes.mjs";
import { drive, evaluateAll, openRun, policyOf, withEnvironment } from "./cell-run.mjs";

/** Environments that evaluate together where a cell does not say, and the seed of the first episode. */
const evaluationEnvironments = 50;
const evaluationSeed = 1_000_000;
/** Iterations from which the study of stability disturbs the actions, and from which the noise is whole (spec 9.7). */
const noiseRamp = [5, 10];
/** Where the two ways of every set part: behind the second row. */
const branchY = 0.13;
/** What fine-tuned policies are put to: noise on the actions, in half ranges of the data, and starts from a box. */
const noises = [0, 0.1, 0.2, 0.3, 0.4];
const startBoxes = { task: undefined, near: { x0: 0.475, y0: -0.28, x1: 0.575, y1: -0.24 }, wide: { x0: 0.4, y0: -0.28, x1: 0.62, y1: -0.18 } };

/** By the kind of the cell. */
export const kinds = { pretrain: runPretrain, finetune: runFinetune, explore: runExplore, refine: runRefine, stress: runStress };

async function recordDemonstrations({ set, demonstrations, physics }) {
  const source = await withEnvironment(await createAvoid({ physics }), sourceOf);
  const builder = new DatasetBuilder(source);
  for await (const demonstration of demonstrateAvoid({ modes: set, episodes: demonstrations, environment: { physics } })) builder.add(demonstration);
  return builder.build();
}

async function runPretrain(cell, context) {
  const dataset = await recordDemonstrations(cell);
  const options = optionsOf(cell);
  const run = await openRun(cell, context, { method: "pretrain", environment: "avoid", seed: options.seed, options });
  try {
    const training = pretrain(context.device, dataset, { ...options, ...run.resume });
    const last = await drive(training, run, context, {
      event: "epoch",
      place: ({ step }) => step,
      words: ({ epoch, epochs, loss, rate }) => `epoch ${epoch} of ${epochs}, loss ${loss.toFixed(4)}, rate ${rate.toExponential(1)}`,
    });
    const evaluations = await finish(training, run, cell, context);
    return { options, steps: last?.step, loss: last?.loss, demonstrationSteps: dataset.stepCount, evaluations };
  } finally {
    await run.folder.close();
  }
}

async function runFinetune(cell, context) {
  const policy = await policyOf(cell.base, context);
  const options = optionsOf(cell);
  const { algorithm } = methods[cell.method];
  const run = await openRun(cell, context, { method: algorithm, environment: "avoid", seed: cell.seed, options });
  try {
    return await withEnvironment(await trainingEnvironment(cell, policy, context), async (env) => {
      const train = algorithm === "dppo" ? dppo : ppo;
      const training = train(context.device, policy, env, { ...options, ...run.resume });
      await drive(training, run, context, {
        event: "iteration",
        place: ({ iteration }) => iteration,
        words: ({ iteration, iterations, success, return: reward, iterationSeconds }) => [
          `iteration ${iteration + 1} of ${iterations}`,
          ...(success === undefined ? [] : [`success ${success.toFixed(2)}, return ${reward.toFixed(1)}`]),
          `${iterationSeconds.toFixed(1)} s each`,
        ].join(", "),
      });
      const evaluations = await finish(training, run, cell, context);
      const curve = run.folder.records.filter(({ event }) => event === "iteration").map(shortened);
      return { options, curve, trainSeconds: curve.reduce((sum, { iterationSeconds }) => sum + iterationSeconds, 0), evaluations };
    });
  } finally {
    await run.folder.close();
  }
}

/** What curves are drawn from. */
function shortened({ iteration, envSteps, success, return: reward, approxKl, clipFraction, explainedVariance, iterationSeconds }) {
  return { iteration, envSteps, success, return: reward, approxKl, clipFraction, explainedVariance, iterationSeconds };
}

/** Keeps the policy of a training that is over, and evaluates it. */
async function finish(training, { folder }, cell, context) {
  const policy = (await training.policy()).withMetadata({ command: context.command, cell: cell.id });
  training.close();
  await folder.savePolicy(policy.encode());
  const evaluations = await evaluateBothWays(policy, cell, context);
  await folder.saveEvaluation("after", evaluations.deterministic);
  return evaluations;
}

async function trainingEnvironment({ environments, chunk, physics, noise, seed }, policy, { device }) {
  // Where nothing stands between network and physics, they share one memory.
  const shared = noise === 0 && device.memory !== undefined ? { memory: device.memory } : {};
  const env = await createAvoid({ count: environments, actionSteps: chunk, physics, seed, ...shared });
  if (noise === 0) return env;
  const [from, to] = noiseRamp.map((iteration) => iteration * chunksOf(chunk));
  return noisyActions(env, { scale: [...policy.normaliser.actionMap.scale], low: noise / 2, high: noise, from, to, seed });
}

/** As it acts when it is used, and with the noise it learns with. */
async function evaluateBothWays(policy, { environments = evaluationEnvironments, episodes, physics }, context) {
  const both = {};
  for (const [name, isDeterministic] of [["deterministic", true], ["stochastic", false]]) {
    const env = await createAvoid({ count: environments, actionSteps: policy.options.actionSteps, physics, recordSteps: true });
    both[name] = await withEnvironment(env, () => evaluateAll(policy, env, { episodes, isDeterministic, seed: evaluationSeed }, context));
  }
  return both;
}

/** What a policy that has not been tuned does with the noise that it would explore with. */
async function runExplore({ base, environments, physics }, context) {
  const policy = await policyOf(base, context);
  const env = await createAvoid({ count: environments, actionSteps: policy.options.actionSteps, physics, recordSteps: true });
  const options = { episodes: environments, isDeterministic: false, trajectories: environments, seed: 1 };
  return { evaluation: await withEnvironment(env, () => evaluateAll(policy, env, options, context)) };
}

/** The chain of one decision, at the place where the ways part. */
async function runRefine({ set, policies }, context) {
  const dataset = await recordDemonstrations({ set, demonstrations: usual.demonstrations, physics: "arm" });
  const observation = branchOf(dataset);
  const chains = [];
  for (const id of policies) {
    chains.push({ id, chain: await chainOf(context.device, await policyOf(id, context), observation, { samples: 200, steps: 7, seed: 1 }) });
  }
  return { observation, chains };
}

/** The mean over the episodes of the first row behind the second row of cylinders. */
function branchOf(dataset) {
  const size = dataset.observationSize;
  const y = dataset.source.observationNames.indexOf("actualY");
  const rows = [...dataset.episodes()].map(({ observations }) => {
    let row = 0;
    while (row + size < observations.length && observations[row + y] < branchY) row += size;
    return observations.subarray(row, row + size);
  });
  return Array.from({ length: size }, (_, place) => rows.reduce((sum, row) => sum + row[place], 0) / rows.length);
}

/** Tuned policies under noise on their actions, and from other starts. */
async function runStress(cell, context) {
  const policy = await policyOf(cell.policy, context);
  const measure = async (noise, start) => {
    const box = startBoxes[start];
    const avoid = await createAvoid({
      count: cell.environments, actionSteps: policy.options.actionSteps, physics: cell.physics, ...(box === undefined ? {} : { startBox: box }),
    });
    const env = noisyActions(avoid, { scale: [...policy.normaliser.actionMap.scale], high: noise, low: noise / 2, seed: 1 });
    const options = { episodes: cell.episodes, trajectories: 0, seed: evaluationSeed };
    const { success, return: reward, reasons } = await withEnvironment(env, () => evaluateAll(policy, env, options, context));
    return { noise, start, success, return: reward, reasons };
  };
  const rows = [];
  for (const noise of noises) rows.push(await measure(noise, "task"));
  for (const start of Object.keys(startBoxes)) if (start !== "task") rows.push(await measure(0, start));
  return { rows };
}
