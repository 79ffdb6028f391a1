/** `npm run reproduce -- avoid`: its settings, and what they make of them. */
import { DifftuneError } from "../../dist/index.js";
import { defaultSettings, methods, planOf, sets, studies } from "./avoid-cells.mjs";
import { optionsOf } from "./avoid-recipes.mjs";
import { chosen, count, numbers, reproduce } from "./conduct.mjs";

/** @param given flags as texts  @param args the command line after `avoid`, for the page */
export async function reproduceAvoid(given, args) {
  const settings = readSettings(given);
  const plan = planOf(settings);
  return reproduce({
    name: "avoid",
    plan,
    runner: "avoid-cell.mjs",
    optionsOf,
    writePage: async (places) => (await import("./avoid-page.mjs")).writePage(plan, settings, places),
  }, given, args);
}

function readSettings(given) {
  const physics = chosen("physics", given.physics, ["arm", "planar"], [defaultSettings.physics]);
  const settings = {
    sets: chosen("only", given.only, sets, defaultSettings.sets),
    methods: chosen("methods", given.methods, Object.keys(methods), defaultSettings.methods),
    studies: chosen("studies", given.studies, Object.keys(studies), defaultSettings.studies),
    seeds: numbers("seeds", given.seeds) ?? defaultSettings.seeds,
    iterations: count("iterations", given.iterations, defaultSettings.iterations),
    studyIterations: defaultSettings.studyIterations,
    environments: count("environments", given.environments, defaultSettings.environments),
    episodes: count("episodes", given.episodes, defaultSettings.episodes),
    physics: physics[0],
    hidden: numbers("hidden", given.hidden),
    epochs: given.epochs === undefined ? undefined : count("epochs", given.epochs),
  };
  if (settings.sets.length === 0 || settings.methods.length === 0 || settings.seeds.length === 0) {
    throw new DifftuneError("OPTION", "There must be at least one data set, one method and one seed.");
  }
  return settings;
}
