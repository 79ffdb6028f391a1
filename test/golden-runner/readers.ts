import type { Reader } from "./reader.ts";
import { readActivations } from "./readers/activations.ts";
import { readChunkReward } from "./readers/chunk-reward.ts";
import { readDataset } from "./readers/dataset.ts";
import { readBaselines } from "./readers/baselines.ts";
import { readFdpp } from "./readers/fdpp.ts";
import { readFineTuning } from "./readers/finetuning.ts";
import { readKl } from "./readers/gaussian-kl.ts";
import { readAlignmentNet, readDiffusionMlp, readUnet } from "./readers/networks.ts";
import { readOptimizer } from "./readers/optimizer.ts";
import { readAdvantages, readRewardScale } from "./readers/returns.ts";
import { readEnsemble, readPreferences } from "./readers/preferences.ts";
import { readPpo } from "./readers/ppo.ts";
import { readPretraining } from "./readers/pretrain.ts";
import { readSampling } from "./readers/sampling.ts";
import { readStochastic } from "./readers/stochastic.ts";
import { readAlignmentSchedules, readRateSchedule, readSchedule } from "./readers/tables.ts";

/** A folder and the first words of a file's name, and the reader of all files that are named so. */
const families: Readonly<Record<string, Reader>> = {
  "dppo/activations": readActivations,
  "dppo/diffusion_mlp": readDiffusionMlp,
  "dppo/unet1d": readUnet,
  "alignment/net": readAlignmentNet,
  "alignment/kl_step": readKl,
  "dppo/gaussian_gmm": readStochastic,
  "dppo/sampling_logprob": readSampling,
  "dppo/ppo_loss": readPpo,
  "dppo/pretrain": readPretraining,
  "dppo/baselines": readBaselines,
  "dppo/finetune_iterations": readFineTuning,
  "dppo/dataset": readDataset,
  "alignment/bt": (golden, device, comparison) => {
    const hasMembers = golden.groups().some((name) => /^member\d+$/.test(name));
    return (hasMembers ? readEnsemble : readPreferences)(golden, device, comparison);
  },
  "alignment/chunk_reward": readChunkReward,
  "alignment/fdpp": readFdpp,
  "dppo/schedule": readSchedule,
  "dppo/gae": readAdvantages,
  "dppo/reward_scaler": readRewardScale,
  "dppo/optimizer": readOptimizer,
  "dppo/lr_schedule": readRateSchedule,
  "alignment/schedules": readAlignmentSchedules,
};

/**
 * The reader of a file, by folder and the first words of its name: `dppo/ppo_loss_v08_b` is read as `dppo/ppo_loss` is. A
 * word ends where no letter follows. A file that no family fits has none, and is listed as not compared.
 */
export function readerOf(name: string): Reader | undefined {
  const family = Object.keys(families).find((words) => name.startsWith(words) && !/^[a-z]/i.test(name.slice(words.length)));
  return family === undefined ? undefined : families[family];
}
