import type { Reader } from "./reader.ts";
import { readActivations } from "./readers/activations.ts";
import { readFdpp } from "./readers/fdpp.ts";
import { readKl } from "./readers/gaussian-kl.ts";
import { readAlignmentNet, readDiffusionMlp } from "./readers/networks.ts";
import { readOptimizer } from "./readers/optimizer.ts";
import { readAdvantages, readRewardScale } from "./readers/returns.ts";
import { readEnsemble, readPreferences } from "./readers/preferences.ts";
import { readPpo } from "./readers/ppo.ts";
import { readPretraining } from "./readers/pretrain.ts";
import { readSampling } from "./readers/sampling.ts";
import { readStochastic } from "./readers/stochastic.ts";
import { readAlignmentSchedules, readRateSchedule, readSchedule } from "./readers/tables.ts";

/** The reader of every file, by folder and name. A file that is not here is listed as not compared. */
export const readers: Readonly<Record<string, Reader | undefined>> = {
  "dppo/activations_posemb": readActivations,
  "dppo/diffusion_mlp": readDiffusionMlp,
  "alignment/net": readAlignmentNet,
  "alignment/kl_step": readKl,
  "dppo/gaussian_gmm": readStochastic,
  "dppo/sampling_logprob": readSampling,
  "dppo/ppo_loss_v05": readPpo,
  "dppo/ppo_loss_v08": readPpo,
  "dppo/pretrain": readPretraining,
  "alignment/bt_scalar": readPreferences,
  "alignment/bt_ensemble": readEnsemble,
  "alignment/fdpp_exact": readFdpp,
  "alignment/fdpp_compat": readFdpp,
  "dppo/schedule": readSchedule,
  "dppo/gae": readAdvantages,
  "dppo/reward_scaler": readRewardScale,
  "dppo/optimizer": readOptimizer,
  "dppo/lr_schedule": readRateSchedule,
  "alignment/schedules": readAlignmentSchedules,
};
