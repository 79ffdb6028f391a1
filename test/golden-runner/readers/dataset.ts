import { DatasetBuilder, type Dataset } from "../../../src/data/dataset.ts";
import { transitionWindowsOf, windowsOf, type Windows } from "../../../src/data/windows.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { Reader } from "../reader.ts";
import { tolerances } from "../tolerances.ts";

/**
 * `dataset`: the windows of recorded episodes. Cases are named by what they were cut with, `bc_h<H>_c<To>_n<episodes>` and
 * `q_h<H>_c<To>`. Windows are cut on the host, for both engines.
 */
export const readDataset: Reader = (golden, _device, comparison) => {
  const dataset = datasetOf(golden.below("in"));
  for (const name of golden.groups().filter((group) => group !== "in")) {
    const [, kind, H, To, n] = /^(bc|q)_h(\d+)_c(\d+)(?:_n(\d+))?$/.exec(name) ?? [];
    if (kind === undefined) {
      comparison.unread(name, "its name does not say how it was cut");
      continue;
    }
    const options = {
      horizon: Number(H),
      observationSteps: Number(To),
      horizonStart: "newest",
      ...(n === undefined ? {} : { maxEpisodes: Number(n) }),
    } as const;
    const expected = golden.below(name);
    const add = (quantity: string, got: ArrayLike<number>, tensor: string): void => {
      comparison.add(quantity, got, expected.values(tensor), tolerances.dppo.window, name);
    };
    const compare = (windows: Windows): void => {
      const begins = [...windows.episodes].map((episode) => (episode === 0 ? 0 : dataset.ends[episode - 1]!));
      add("window starts", [...windows.starts].flatMap((start, index) => [start, start - begins[index]!]), "indices");
      const { states, chunks } = windows.materialise();
      add("stacks of states", states, "state");
      add("chunks of actions", chunks, "actions");
    };
    if (kind === "bc") {
      compare(windowsOf(dataset, options));
      continue;
    }
    const windows = transitionWindowsOf(dataset, { ...options, discount: Number(golden.text("discount")) });
    compare(windows);
    const rows = windows.materialise();
    add("rewards of windows", rows.rewards, "rewards");
    add("ends of windows", rows.dones, "dones");
    add("next stacks", rows.nextStates, "next_state");
    add("returns to go", rows.returnsToGo, "reward_to_gos");
  }
  return Promise.resolve();
};

/** The stitched arrays of the file, episode by episode. */
function datasetOf(input: GoldenFile): Dataset {
  const names = (word: string, tensor: string): string[] => Array.from({ length: input.shape(tensor)[1]! }, (_, index) => `${word}${index}`);
  const [observationNames, actionNames] = [names("state", "states"), names("action", "actions")];
  const builder = new DatasetBuilder({ environment: "golden", options: {}, observationNames, actionNames });
  const [states, actions, rewards, terminals] = ["states", "actions", "rewards", "terminals"].map((name) => Float32Array.from(input.values(name)));
  let begin = 0;
  for (const length of input.values("traj_lengths")) {
    const end = begin + length;
    builder.add({
      observations: states!.subarray(begin * observationNames.length, end * observationNames.length),
      actions: actions!.subarray(begin * actionNames.length, end * actionNames.length),
      rewards: rewards!.subarray(begin, end),
      seed: 0,
      success: false,
      isTerminated: terminals![end - 1] === 1,
      label: "",
    });
    begin = end;
  }
  return builder.build();
}
