import type { PretrainSample } from "../algorithms/pretrain.js";
import { drawAvoid, type AvoidPath } from "../envs/drawing/avoid.js";
import { encodePng } from "../envs/drawing/encode.js";
import type { Place } from "./policy-file.js";

/**
 * What a policy does in some states of the data, drawn over the obstacles of Avoid: from each state a fan of chunks. Other
 * environments have no plane that their actions could be drawn in without knowing them.
 */
export async function samplePicture(samples: readonly PretrainSample[], place: Place, title: string): Promise<Uint8Array | undefined> {
  if (!place.name.startsWith("avoid")) return undefined;
  const paths = samples.flatMap(({ observations, actions }) => {
    // The newest observation of the stack starts with the place that the hand was told to go to; actions are steps from there.
    const [x = 0, y = 0] = observations.slice(-4);
    return actions.map((chunk): AvoidPath => {
      const way = [x, y];
      for (let at = 0; at + 1 < chunk.length; at += 2) way.push(way[at]! + chunk[at]!, way[at + 1]! + chunk[at + 1]!);
      return { desired: way };
    });
  });
  return encodePng(drawAvoid(paths, { title, obstacles: place.options.obstacles !== false, opacity: 0.6 }));
}
