/** `npm run reproduce -- fdpp-pusht`: its settings, and what they make of them. */
import { DifftuneError } from "../../dist/index.js";
import { chosen, count, numbers, reproduce } from "./conduct.mjs";
import { defaultSettings, planOf } from "./fdpp-cells.mjs";
import { optionsOf } from "./fdpp-recipes.mjs";

/** @param given flags as texts  @param args the command line after `fdpp-pusht`, for the page */
export async function reproduceFdpp(given, args) {
  const settings = readSettings(given);
  const plan = planOf(settings);
  return reproduce({
    name: "fdpp-pusht",
    plan,
    runner: "fdpp-cell.mjs",
    optionsOf,
    writePage: async (places) => (await import("./fdpp-page.mjs")).writePage(plan, settings, places),
  }, given, args);
}

function readSettings(given) {
  const whole = (name, flag = name) => (given[flag] === undefined ? defaultSettings[name] : count(flag, given[flag]));
  const settings = {
    alphas: weights(given.alphas) ?? defaultSettings.alphas,
    seeds: numbers("seeds", given.seeds) ?? defaultSettings.seeds,
    iterations: whole("iterations"),
    environments: whole("environments"),
    chunks: whole("chunks"),
    epochs: whole("epochs"),
    batch: whole("batch"),
    rate: positive("rate", given.rate) ?? defaultSettings.rate,
    lastRate: positive("last-rate", given["last-rate"]) ?? defaultSettings.lastRate,
    criticWarmup: given["critic-warmup"] === "0" ? 0 : whole("criticWarmup", "critic-warmup"),
    clip: positive("clip", given.clip) ?? defaultSettings.clip,
    baseline: chosen("baseline", given.baseline, ["batch", "value"], [defaultSettings.baseline])[0],
    advantage: chosen("advantage", given.advantage, ["bandit", "return"], [defaultSettings.advantage])[0],
    gamma: below(1, "gamma", given.gamma) ?? defaultSettings.gamma,
    denoisingSteps: whole("denoisingSteps", "denoising-steps"),
    stdFloor: positive("std-floor", given["std-floor"]) ?? defaultSettings.stdFloor,
    actingFloor: positive("acting-floor", given["acting-floor"]) ?? defaultSettings.actingFloor,
    episodes: whole("episodes"),
    every: whole("every"),
    everyEpisodes: whole("everyEpisodes", "every-episodes"),
    pairs: whole("pairs"),
    rollouts: whole("rollouts"),
    reach: positive("reach", given.reach) ?? defaultSettings.reach,
    tieWidth: positive("tie-width", given["tie-width"]) ?? defaultSettings.tieWidth,
    rounds: given.rounds === "0" ? 0 : whole("rounds"),
    visited: whole("visited"),
    demonstrations: whole("demonstrations"),
    pretrainEpochs: whole("pretrainEpochs", "pretrain-epochs"),
    hidden: numbers("hidden", given.hidden),
    policy: given.policy,
    starts: given.starts,
  };
  if (settings.alphas.length === 0 || settings.seeds.length === 0) throw new DifftuneError("OPTION", "There must be at least one alpha and one seed.");
  return settings;
}

function weights(value) {
  return value?.split(",").map((part) => {
    const alpha = Number(part);
    if (part.trim() === "" || !(alpha >= 0 && alpha <= 1e6)) throw new DifftuneError("OPTION", `--alphas has "${part}"; a weight is a number from 0.`);
    return alpha;
  });
}

function below(limit, name, value) {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!(number >= 0 && number < limit) || value.trim() === "") throw new DifftuneError("OPTION", `--${name} is "${value}"; it must be from 0 to below ${limit}.`);
  return number;
}

function positive(name, value) {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!(number > 0 && number < Infinity)) throw new DifftuneError("OPTION", `--${name} is "${value}"; it must be a number above 0.`);
  return number;
}
