import path from "node:path";
import * as v from "valibot";
import { finiteNumber, wholeNumber } from "../core/options.js";
import { createDevice } from "../engine/create-device.js";
import { encodeGif, encodePng } from "../envs/drawing/encode.js";
import type { Image, VectorEnvironment } from "../envs/environment.js";
import type { Actor } from "../diffusion/acting.js";
import { exitCodes, type Command } from "./command.js";
import { actingOptions, placeOf, placeSection } from "./eval.js";
import { makeFolder, writeAtomically } from "./files.js";
import { pathOption, sharedOptions } from "./options.js";
import { openEnvironment, readPolicy } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { Reporter } from "./reporter.js";

const schema = v.strictObject({
  ...actingOptions,
  out: v.optional(v.pipe(pathOption("The picture: a film where it ends in .gif, the end of the episode where it ends in .png."), v.regex(/\.(gif|png)$/i, "It must end in .gif or .png.")), "episode.gif"),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 0), v.description("Seed of the episode's start and of the policy's noise.")),
  isDeterministic: v.pipe(v.optional(v.boolean("It must be true or false."), true), v.description("Act without exploration noise.")),
  every: v.pipe(v.optional(wholeNumber(1, 10_000), 2), v.description("Environment steps between two pictures of the film.")),
  rate: v.pipe(v.optional(finiteNumber(0.1, 50), 20), v.description("Pictures a second.")),
  json: sharedOptions.json,
});

/**
 * Plays one episode step by step. The environment executes one action at a time, so that there is a picture between two
 * decisions; what the policy sees when it decides is the same as with whole chunks.
 */
async function* play(actor: Actor, env: VectorEnvironment, actionSteps: number, seed: number): AsyncGenerator<number> {
  let { observations } = await env.reset([seed]);
  for (let step = 0; ;) {
    const actions = await actor.act(observations);
    for (let place = 0; place < actionSteps; place++) {
      const width = env.actionSpace.size;
      const result = await env.stepChunk(actions.slice(place * width, (place + 1) * width));
      yield ++step;
      if (result.terminated[0] === 1 || result.truncated[0] === 1) return;
      observations = result.observations;
    }
  }
}

/** `difftune render`: an episode of a policy as a film or a picture. */
export const renderCommand: Command = {
  name: "render",
  description: "Draw an episode of a policy, as a film (GIF) or a picture of its end (PNG).",
  examples: [
    { what: "A film of one episode", words: "render runs/m1-dppo --out episode.gif" },
    { what: "Another start, every step, slower", words: "render runs/m1-dppo --seed 7 --every 1 --rate 10" },
    { what: "The end of the episode as a picture", words: "render runs/m1-dppo --out end.png" },
  ],
  word: { option: "policy" },
  choices: ["environment", "policy"],
  sections: async (chosen) => [{ title: "Options", schema }, await placeSection(chosen)],
  execute: async (options) => {
    const { policy: given, environment, engine, out, seed, isDeterministic, every, rate, json } = options.read(schema);
    if (!isQuietChild()) return runQuietly();
    const reporter = new Reporter(json);
    const policy = await readPolicy(given);
    const place = placeOf(policy, options, environment);
    await makeFolder(path.dirname(path.resolve(out)));
    using device = await createDevice({ engine });
    using env = await openEnvironment(device, policy, place, { count: 1, seed, actionSteps: 1, autoReset: false });
    using actor = await policy.on(device, { count: 1, isDeterministic, seed });
    const isFilm = out.toLowerCase().endsWith(".gif");
    const pictures: Image[] = [];
    let steps = 0;
    for await (const step of play(actor, env, policy.options.actionSteps, seed)) {
      steps = step;
      if (isFilm && (step - 1) % every === 0) {
        pictures.push(env.render(0));
        reporter.progress(`step ${step}`);
      }
    }
    const outcome = env.outcome(0);
    const end = env.render(0);
    await writeAtomically(out, isFilm ? await encodeGif([...pictures, end], { rate }) : await encodePng(end));
    reporter.summary({ event: "done", out, steps, ...outcome }, [["picture", out], ["episode", `${steps} steps. ${outcome.detail}`]]);
    return exitCodes.done;
  },
};
