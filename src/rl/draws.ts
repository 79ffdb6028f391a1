import { randomStreams } from "../core/random-streams.js";
import type { Device } from "../engine/device.js";
import type { Launch, Program } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { recordActingNoise, type ActingNoise } from "../diffusion/acting.js";
import { randomPermutation } from "../kernels/rng/random.js";

/** Where the randomness of on-policy training comes from. Numbers are counters, never state: a resumed run draws the same. */
export interface Draws {
  /** Fills the noise of one decision; `decision` counts from the start of the run. */
  act(decision: number): void;
  /** Fills the order of an epoch; `epoch` counts from the start of the run. */
  permute(epoch: number): void;
  close(): void;
}

/** Draws on the device, by Philox. */
export async function createDraws(device: Device, tensors: { readonly noise: ActingNoise; readonly permutation: Tensor }, seed: number): Promise<Draws> {
  let noise: Launch<{ readonly step: "u32" }>[] = [];
  let order: Launch<{ readonly step: "u32" }> | undefined;
  const programs: Program[] = [
    await device.program("draw noise", (recorder) => { noise = recordActingNoise(recorder, tensors.noise, seed); }),
    await device.program("draw order", (recorder) => {
      const { permutation } = tensors;
      order = randomPermutation(recorder, { out: permutation }, {
        length: permutation.length, seed: [seed, 0], stream: randomStreams.permutation, step: 0,
      });
    }),
  ];
  const [drawNoise, drawOrder] = programs;
  return {
    act: (decision) => {
      for (const launch of noise) launch.update({ step: decision });
      drawNoise?.run();
    },
    permute: (epoch) => {
      order?.update({ step: epoch });
      drawOrder?.run();
    },
    close: () => { for (const program of programs) program.close(); },
  };
}
