/** How the cells of `fdpp-cells.mjs` are run. */
import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { PairFiles } from "../../dist/cli/pair-files.js";
import { createPushT, demonstratePushT } from "../../dist/envs/index.js";
import {
  avoidBoxTask, calibrate, compileTask, Dataset, DatasetBuilder, DifftuneError, fdpp, featureStatistics, labelByScript, pretrain, rankCorrelation, recordRollouts, rewardMap,
  scriptedAnnotator, Segments, sourceOf, splitPairs, trainReward, visitedStarts,
} from "../../dist/index.js";
import { drive, evaluateAll, openRun, policyOf, withEnvironment } from "./cell-run.mjs";
import { findBox, stepsInside } from "./fdpp-box.mjs";
import { calibration, takenPolicy, task } from "./fdpp-cells.mjs";
import { optionsOf, pretraining, samplerOf } from "./fdpp-recipes.mjs";

/** By the kind of the cell. */
export const kinds = { pretrain: runPretrain, calibrate: runCalibrate, evaluate: runEvaluate, reward: runReward, finetune: runFinetune };

/** Environments that act together where a cell does not say. */
const actingEnvironments = 50;
/** First seeds, far from each other: of labelled rollouts, of those that a reward is held against, and of evaluations. */
const seeds = { pool: 2_000_000, held: 3_000_000, evaluation: 1_000_000, trial: 4_000_000, visit: 5_000_000 };
/** Episodes in which it is seen where a policy goes. */
const visitingRollouts = 200;
/** Rollouts that a reward is held against. */
const heldRollouts = 20;

const { maxSteps, successCoverage, earlySteps } = task;

async function runPretrain(cell, context) {
  if (cell.from !== undefined) {
    await copyFile(path.resolve(cell.from), path.join(context.folder, "policy.safetensors"));
    return { taken: path.basename(cell.from) };
  }
  const dataset = await demonstrate(cell, context);
  const options = optionsOf(cell);
  const run = await openRun(cell, context, { method: "pretrain", environment: "pusht", seed: options.seed, options });
  try {
    await writeFile(path.join(context.folder, demonstrationsName), dataset.encode());
    const training = pretrain(context.device, dataset, { ...options, ...run.resume });
    const last = await drive(training, run, context, {
      event: "epoch",
      place: ({ step }) => step,
      words: ({ epoch, epochs, loss }) => `epoch ${epoch} of ${epochs}, loss ${loss.toFixed(4)}`,
    });
    const policy = (await training.policy()).withMetadata({ command: context.command, environment: "pusht", environmentOptions: JSON.stringify(demonstrated()) });
    training.close();
    await run.folder.savePolicy(policy.encode());
    return {
      options, steps: last?.step, loss: last?.loss, demonstrations: dataset.episodeCount, demonstrationSteps: dataset.stepCount,
      ways: waysOf(cell), starts: pretraining.starts.states,
    };
  } finally {
    await run.folder.close();
  }
}

/** Numbers of the observation "state", which is a start in the order "angleFirst". */
const stateSize = 5;
const demonstrationsName = "demonstrations.safetensors";

/** Options of the environment that is demonstrated. */
function demonstrated() {
  const { observation, action = "target" } = pretraining.demonstrations;
  return { observation, action, starts: pretraining.starts };
}

/** The planner's episodes: of the first round, or those before and what it does from where the last policy went. */
async function demonstrate(cell, context) {
  const { signal, tell } = context;
  const isFirst = cell.base === undefined;
  const builder = await withEnvironment(await createPushT(demonstrated()), (env) => new DatasetBuilder(sourceOf(env)));
  if (!isFirst) builder.addAll(Dataset.decode(await readFile(path.join(context.root, cell.base, demonstrationsName))));
  const parts = isFirst
    ? waysOf(cell)
    : [{ starts: { states: await statesOf(await policyOf(cell.base, context), cell, context) }, count: cell.visited }];
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  let done = 0;
  for (const [index, { along, ...part }] of parts.entries()) {
    // Every round and part has seeds of its own.
    const seed = pretraining.demonstrations.seed + (cell.round * pretraining.ways.length + index) * 1_000_000;
    const given = { ...pretraining.demonstrations, starts: pretraining.starts, ...part, seed, signal };
    const episodes = demonstratePushT(along === undefined ? given : { ...given, ...await startsAlong(given, along) });
    for await (const progress of builder.collect(episodes)) tell(`demonstration ${done += 1} of ${total}, ${progress.steps} steps in all`);
  }
  return builder.build();
}

/** Starts near states that the planner comes through in some episodes of a way, `states` of each, evenly from step `from` to its end. */
async function startsAlong(given, { episodes, states: each, from, jitterPx, jitterAngle }) {
  const states = [];
  for await (const { observations, rewards } of demonstratePushT({ ...given, count: episodes, observation: "state", seed: given.seed + 500_000 })) {
    for (let index = 0; index < each; index++) {
      const at = stateSize * Math.min(rewards.length - 1, from + Math.floor(Math.max(0, rewards.length - from - 2) * (index + 0.5) / each));
      states.push(Array.from(observations.subarray(at, at + stateSize)));
    }
  }
  return { starts: { states, jitterPx, jitterAngle }, resetOrder: "angleFirst" };
}

/** The ways that the first round shows; `--demonstrations` keeps their shares. */
function waysOf({ demonstrations }) {
  const total = pretraining.ways.reduce((sum, { count }) => sum + count, 0);
  const share = (demonstrations ?? total) / total;
  return pretraining.ways.map(({ along, ...way }) => ({
    ...way,
    count: Math.ceil(way.count * share),
    ...(along === undefined ? {} : { along: { ...along, episodes: Math.ceil(along.episodes * share) } }),
  }));
}

/** States that a policy comes through. */
async function statesOf(policy, { round, visited }, { device, signal, tell }) {
  tell("playing, to see where the policy goes");
  const { observationSteps, actionSteps } = policy.options;
  const rollouts = Math.min(visitingRollouts, visited);
  const env = await createPushT({ ...demonstrated(), observationSteps, actionSteps, maxSteps, successCoverage, count: Math.min(actingEnvironments, rollouts) });
  return withEnvironment(env, () => visitedStarts(device, policy, env, { states: visited, rollouts, seed: seeds.visit + round * 10_000, signal }));
}

/** A policy with the sampler of the experiment. */
function acting(policy, cell) {
  return policy.withProcess({ sampler: samplerOf(cell), minSamplingStd: cell.actingFloor });
}

/** The pre-trained policy as it acts. */
async function frozenOf(cell, context) {
  return acting(await policyOf(cell.base, context), cell);
}

/** What a policy sees of Push-T, by how many numbers that are. */
const observationKinds = { 5: "state", 18: "corners", 20: "keypoints" };

/** Options of every environment that a policy acts in. */
function placeOf(policy) {
  const { observationNames, actionNames, observationSteps, actionSteps } = policy.options;
  const action = actionNames.includes("offsetX") ? "offset" : "target";
  return { observation: observationKinds[observationNames.length], action, observationSteps, actionSteps, maxSteps, successCoverage, recordSteps: true };
}

/** Starts that a file gives, else those of the recipe for a policy that was made by it, else where the policy's own episodes began. */
async function givenStarts({ metadata }, { from, base }) {
  const { resetOrder = "legacy", starts } = JSON.parse(metadata.environmentOptions ?? "{}");
  if (from !== undefined) return { resetOrder, starts: JSON.parse(await readFile(path.resolve(from), "utf8")) };
  return { resetOrder, starts: base === takenPolicy ? starts : pretraining.starts };
}

/**
 * Starts to try, as the environment tells them: the T's place is the reported one, angle before place. Where there are starts to
 * take they are moved and turned by so much that with the jitter of the experiment they are still what it was shown.
 */
async function candidateStarts(policy, cell) {
  const { resetOrder, starts } = await givenStarts(policy, cell);
  const left = (jitter = 0, own) => Math.max(0, jitter - own);
  const near = starts && { states: starts.states, jitterPx: left(starts.jitterPx, calibration.jitterPx), jitterAngle: left(starts.jitterAngle, calibration.jitterAngle) };
  const isListed = near !== undefined && near.jitterPx === 0;
  const count = isListed ? near.states.length : calibration.seeds;
  return withEnvironment(await createPushT({ count, resetOrder, starts: near }), async (env) => {
    await (isListed ? env.resetTo(near.states.flat()) : env.reset(Uint32Array.from({ length: count }, (_, seed) => seed)));
    const poses = Array.from({ length: count }, (_, index) => {
      const { agentX, agentY, blockX, blockY, blockAngle } = env.pose(index);
      return [agentX, agentY, blockX, blockY, blockAngle];
    });
    return { starts: poses, moved: near === undefined || isListed ? undefined : { ...near, states: near.states.length } };
  });
}

/** Episodes from given starts, one each: ways and success. */
async function rollOut(policy, starts, context) {
  const count = Math.min(actingEnvironments, starts.length);
  return withEnvironment(await createPushT({ ...placeOf(policy), count, resetOrder: "angleFirst" }), async (env) => {
    // Seed k of the evaluation begins at start k.
    const placed = Object.create(env, { reset: { value: (numbers) => env.resetTo(Array.from(numbers, (seed) => starts[seed]).flat()) } });
    const { trajectories } = await evaluateAll(policy, placed, { episodes: starts.length, isDeterministic: false, trajectories: starts.length, seed: 0 }, context);
    return trajectories;
  });
}

async function runCalibrate(cell, context) {
  const policy = await frozenOf(cell, context);
  const { starts, moved } = await candidateStarts(policy, cell);
  const { rollouts } = calibration;
  const ways = await rollOut(policy, starts.flatMap((start) => Array.from({ length: rollouts }, () => start)), context);
  const candidates = starts.map((start, index) => {
    const own = ways.slice(index * rollouts, (index + 1) * rollouts);
    return { start, rollouts: own.map(({ points }) => points), successes: own.filter(({ success }) => success).length };
  });
  const { box, indices, tried } = findBox(calibration.firstBox, candidates, { steps: earlySteps, least: calibration.leastStarts });
  const qualified = indices.map((index) => candidates[index]);
  const reached = { moved, tried, candidates: candidates.length, success: ways.filter(({ success }) => success).length / ways.length, qualifying: qualified.length };
  if (qualified.length === 0) {
    throw new DifftuneError("OPTION", `No start leads the policy through any box at the bottom right; it solves ${(100 * reached.success).toFixed(0)} % of its episodes.`, {
      hint: "Take another policy by --policy, or other starts by --starts.", got: reached,
    });
  }
  const depth = ({ rollouts: own }) => own.reduce((sum, points) => sum + stepsInside(box, points, earlySteps), 0);
  const best = qualified.toSorted((a, b) => b.successes - a.successes || depth(b) - depth(a)).slice(0, 2 * calibration.mostStarts);
  const proved = await prove(policy, box, best.map(({ start }) => start), context);
  const { leastEntering, leastSuccess, leastStarts, mostStarts } = calibration;
  const isGood = ({ entering, success }) => entering >= leastEntering && success >= leastSuccess;
  // Where too few hold under jitter, the best of those that qualify stand in, and the figures of the page say so.
  const ordered = proved.toSorted((a, b) => Number(isGood(b)) - Number(isGood(a)) || b.entering + b.success - a.entering - a.success);
  const kept = ordered.slice(0, Math.min(mostStarts, Math.max(leastStarts, ordered.filter(isGood).length)));
  const found = { box, resetOrder: "angleFirst", starts: { states: kept.map(({ start }) => start), jitterPx: calibration.jitterPx, jitterAngle: calibration.jitterAngle } };
  await writeFile(path.join(context.folder, "starts.json"), `${JSON.stringify(found, null, 1)}\n`);
  return { ...found, reached, proved: kept.map(({ entering, success }) => ({ entering, success })), good: ordered.filter(isGood).length };
}

/** How often starts hold with the jitter of the experiment. */
async function prove(policy, box, starts, context) {
  const { jitterPx, jitterAngle, trials: episodes } = calibration;
  const proved = [];
  for (const [place, start] of starts.entries()) {
    const env = await createPushT({ ...placeOf(policy), count: episodes, resetOrder: "angleFirst", starts: { states: [start], jitterPx, jitterAngle } });
    const options = { episodes, isDeterministic: false, trajectories: episodes, seed: seeds.trial + place * episodes };
    const { trajectories } = await withEnvironment(env, () => evaluateAll(policy, env, options, context));
    const share = (isSo) => trajectories.filter(isSo).length / episodes;
    proved.push({ start, entering: share(({ points }) => stepsInside(box, points, maxSteps) > 0), success: share(({ success }) => success) });
  }
  return proved;
}

/** The environment of the experiment. */
async function experiment(policy, cell, context, options) {
  const [place] = cell.needs;
  const { box, resetOrder, starts } = JSON.parse(await readFile(path.join(context.root, place, "starts.json"), "utf8"));
  const shared = context.device.memory === undefined ? {} : { memory: context.device.memory };
  return createPushT({ ...placeOf(policy), forbiddenBox: box, resetOrder, starts, ...shared, ...options });
}

/** As it acts while it is tuned (eta = 1), and without noise (eta = 0). */
async function evaluateBothWays(policy, cell, context) {
  const both = {};
  for (const [name, isDeterministic] of [["stochastic", false], ["deterministic", true]]) {
    const env = await experiment(policy, cell, context, { count: Math.min(actingEnvironments, cell.episodes) });
    both[name] = await withEnvironment(env, () => evaluateAll(policy, env, { episodes: cell.episodes, isDeterministic, seed: seeds.evaluation }, context));
  }
  return both;
}

async function runEvaluate(cell, context) {
  return { evaluations: await evaluateBothWays(await frozenOf(cell, context), cell, context) };
}

/** Beginnings of episodes of the frozen policy, from the starts of the experiment. */
async function recordPool(policy, cell, context, { episodes, seed }) {
  const env = await experiment(policy, cell, context, { count: Math.min(actingEnvironments, episodes) });
  return withEnvironment(env, async () => {
    const builder = new DatasetBuilder(sourceOf(env));
    const rollouts = recordRollouts(context.device, policy, env, { episodes, steps: earlySteps, seed, signal: context.signal });
    for await (const progress of builder.collect(rollouts, episodes)) context.tell(`rollout ${progress.episodes} of ${episodes}`);
    return builder.build();
  });
}

async function runReward(cell, context) {
  const { device, folder, tell } = context;
  const policy = await frozenOf(cell, context);
  const pool = await recordPool(policy, cell, context, { episodes: cell.rollouts, seed: seeds.pool });
  await writeFile(path.join(folder, "pool.safetensors"), pool.encode());
  const { box } = JSON.parse(await readFile(path.join(context.root, cell.needs[0], "starts.json"), "utf8"));
  const preference = await compileTask(avoidBoxTask(box, { reach: cell.reach }), pool.source.observationNames);
  const segments = new Segments(pool, preference);
  const labels = path.join(folder, "labels");
  // Labelling by script takes seconds: half of it is not gone on with.
  await rm(labels, { recursive: true, force: true });
  const files = await PairFiles.open(labels, segments.columns);
  try {
    for await (const pair of labelByScript(segments, scriptedAnnotator(preference, { tieWidth: cell.tieWidth }), { pairs: cell.pairs, seed: 1 })) {
      await files.append({ ...pair, timestampMs: Date.now() });
      tell(`pair ${files.pairs.length} of ${cell.pairs}`);
    }
    const parts = splitPairs(files.pairs);
    const options = optionsOf(cell);
    const training = trainReward(device, { features: preference.features, ...parts }, { ...options, statistics: featureStatistics(segments.features, preference.features.length), signal: context.signal });
    const course = [];
    for await (const event of training) {
      tell(`epoch ${event.epoch} of ${event.epochs}, accuracy ${event.accuracy.toFixed(3)}, validation ${event.validationAccuracy?.toFixed(3) ?? "-"}`);
      course.push(event);
    }
    const model = await training.model();
    const measured = await measureReward(model, { preference, parts, pool, box, held: await recordPool(policy, cell, context, { episodes: heldRollouts, seed: seeds.held }) }, context);
    await writeFile(path.join(folder, "reward.safetensors"), model.with({ temperature: measured.calibration.temperature }).save());
    const ties = files.pairs.filter(({ label }) => label === -1).length;
    return { options, course, pairs: files.pairs.length, ties, ...measured };
  } finally {
    await files.close();
  }
}

/** Holds a learned reward against its labels, the true score, and the acceptance of its map (FDPP specification, 4.4). */
async function measureReward(model, { preference, parts, pool, held, box }, { device }) {
  const scorer = await model.on(device);
  try {
    const rowsOf = ({ observations, stepCount }) => Array.from({ length: stepCount }, (_, row) => ({ feature: preference.feature(observations, row), score: preference.score(observations, row) }));
    const differences = [];
    for (const sign of ["features0", "features1"]) differences.push(await scorer.rewards(Float32Array.from(parts.validation.flatMap((pair) => [...pair[sign]]))));
    const heldRows = rowsOf(held);
    const heldRewards = await scorer.rewards(heldRows.flatMap(({ feature }) => feature));
    // Features are a function of the place alone, so that a place is a state.
    const at = pool.source.observationNames.length;
    const [across, down] = ["agentX", "agentY"].map((name) => pool.source.observationNames.indexOf(name));
    const state = new Float32Array(at);
    const featureAt = (x, y) => {
      state[across] = x;
      state[down] = y;
      return preference.feature(state, 0);
    };
    const grid = await rewardMap(scorer, featureAt, { x: [0, 512], y: [0, 512] });
    const places = Array.from({ length: pool.stepCount }, (_, row) => [pool.observations[row * at + across], pool.observations[row * at + down]]);
    const rewards = await scorer.rewards(rowsOf(pool).flatMap(({ feature }) => feature));
    const isInside = ([x, y]) => x >= box.x0 && x <= box.x1 && y >= box.y0 && y <= box.y1;
    const cells = grid.y.flatMap((y, row) => grid.x.map((x, column) => ({ place: [x, y], reward: grid.values[row][column] })));
    const mean = (values) => (values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length);
    return {
      calibration: calibrate(differences[1].map((reward, pair) => reward - differences[0][pair]), parts.validation.map(({ label }) => label)),
      correlation: rankCorrelation(heldRewards, heldRows.map(({ score }) => score)),
      heldStates: heldRows.length,
      acceptance: {
        inside: mean(cells.filter(({ place }) => isInside(place)).map(({ reward }) => reward)),
        sampledInside: mean([...rewards].filter((_, row) => isInside(places[row]))),
        sampledOutside: mean([...rewards].filter((_, row) => !isInside(places[row]))),
        far: mean(cells.filter(({ place: [x, y] }) => places.every(([px, py]) => Math.hypot(px - x, py - y) > 60)).map(({ reward }) => Math.abs(reward))),
      },
      map: { x: grid.x, y: grid.y, values: grid.values.map((row) => row.map((value) => Math.round(1e4 * value) / 1e4)) },
      places: places.flat().map((value) => Math.round(10 * value) / 10),
    };
  } finally {
    scorer.close();
  }
}

async function runFinetune(cell, context) {
  const policy = await policyOf(cell.base, context);
  const options = optionsOf(cell);
  const reward = await readFile(path.join(context.root, cell.needs[1], "reward.safetensors"));
  const run = await openRun(cell, context, { method: "fdpp", environment: "pusht", seed: cell.seed, options });
  try {
    return await withEnvironment(await experiment(policy, cell, context, { count: cell.environments, seed: cell.seed }), async (env) => {
      const training = fdpp(context.device, policy, env, { ...options, reward: new Uint8Array(reward), ...run.resume });
      await drive(training, run, context, {
        event: "iteration",
        place: ({ iteration }) => iteration,
        words: ({ iteration, iterations, chunkReward, kl, success, iterationSeconds }) => [
          `iteration ${iteration + 1} of ${iterations}`,
          ...(chunkReward === undefined ? [] : [`reward ${chunkReward.toFixed(2)}`]),
          ...(kl === undefined ? [] : [`divergence ${kl.toFixed(2)}`]),
          ...(success === undefined ? [] : [`success ${success.toFixed(2)}`]),
          `${iterationSeconds.toFixed(1)} s each`,
        ].join(", "),
        measure: async ({ iteration }) => ((iteration + 1) % cell.every === 0 ? measureOnTheWay(await training.policy(), iteration, cell, context) : undefined),
      });
      const tuned = (await training.policy()).withMetadata({ command: context.command, cell: cell.id });
      training.close();
      await run.folder.savePolicy(tuned.encode());
      const evaluations = await evaluateBothWays(acting(tuned, cell), cell, context);
      await run.folder.saveEvaluation("after", evaluations.stochastic);
      const curve = run.folder.records.filter(({ event }) => event === "iteration").map(shortened);
      const way = run.folder.records.filter(({ event }) => event === "measurement");
      return { options, curve, way, trainSeconds: curve.reduce((sum, { iterationSeconds }) => sum + iterationSeconds, 0), evaluations };
    });
  } finally {
    await run.folder.close();
  }
}

/** A few episodes of a policy that is still learning, as it acts with noise. */
async function measureOnTheWay(policy, iteration, cell, context) {
  const episodes = cell.everyEpisodes;
  const env = await experiment(policy, cell, context, { count: Math.min(actingEnvironments, episodes) });
  const options = { episodes, isDeterministic: false, trajectories: 0, seed: seeds.evaluation };
  const { success, length, modes } = await withEnvironment(env, () => evaluateAll(acting(policy, cell), env, options, context));
  return { event: "measurement", iteration, episodes, success: success.mean, length: length.mean, avoid: (modes.avoidedBox ?? 0) / episodes };
}

/** What curves are drawn from. */
function shortened({ iteration, envSteps, success, episodeLength, chunkReward, chunkRewardDeviation, kl, clipFraction, ratio, iterationSeconds }) {
  return { iteration, envSteps, success, episodeLength, chunkReward, chunkRewardDeviation, kl, clipFraction, ratio, iterationSeconds };
}
