import type { Device } from "../src/engine/device.js";
import { createUnet } from "../src/nn/unet.js";
import { benchPrograms, cloningProgram, samplingProgram, type Built } from "./denoiser-programs.js";
import type { Suite } from "./workload.js";

/** The U-Net of the robot tasks that the targets are stated for (spec 11.3, square): 1.6 M parameters. */
function robotUnet(): ReturnType<typeof createUnet> {
  return createUnet({ actionSize: 7, horizon: 4, conditionWidth: 23, timeSize: 16, channels: 64, multipliers: [1, 2] });
}

/**
 * Work of one prediction for one row, 2 per multiply-add that meets the sequence: 0.940 M of the convolutions and 0.715 M of the
 * condition encoders, of whose first layers a chain has next to nothing left (0.655 M).
 */
const robotMflop = { sample: 3.19, train: 3.31 };

const programs: Readonly<Record<string, (device: Device) => Promise<Built>>> = {
  "W4-unet-sample": (device) => samplingProgram(device, robotUnet(), { rows: 50, steps: 20, tunedSteps: 10, mflop: robotMflop.sample }),
  "W4-unet-train": (device) => cloningProgram(device, robotUnet(), { rows: 128, mflop: robotMflop.train }),
};

/** The published network of Push-T from keypoints (two observations of 20 numbers, chunks of 16): 65.8 M parameters. */
function pushtUnet(): ReturnType<typeof createUnet> {
  return createUnet({
    actionSize: 2, horizon: 16, conditionWidth: 40, timeSize: 256, channels: 256, multipliers: [1, 2, 4], encoder: "small",
  });
}

/** The same for it: 221.5 M of the convolutions, and 4.2 M of the condition encoders, which a chain splits into sums. */
const pushtMflop = { sample: 443, train: 451.5 };

const largePrograms: Readonly<Record<string, (device: Device) => Promise<Built>>> = {
  "W4b-pusht-sample": (device) => samplingProgram(device, pushtUnet(), { rows: 50, steps: 100, tunedSteps: 10, mflop: pushtMflop.sample }),
  "W4b-pusht-train": (device) => cloningProgram(device, pushtUnet(), { rows: 64, mflop: pushtMflop.train }),
};

/** A suite of its own: half a minute a run. */
export const largeUnetSuite: Suite = (request) => benchPrograms(largePrograms, request);

/** U-Net policies: the workloads of the targets. */
export const unetSuite: Suite = (request) => benchPrograms(programs, request);
