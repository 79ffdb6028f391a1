import type * as v from "valibot";
import { dppo, dppoSchema } from "../algorithms/dppo.js";
import { ppo, ppoSchema } from "../algorithms/ppo.js";
import type { OptionsSchema } from "../core/options.js";
import type { Policy } from "../diffusion/policy.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import type { IterationEvent, Training } from "../rl/training.js";

/** What a method of fine-tuning gets beside its own options. */
interface MethodHost {
  readonly signal: AbortSignal;
  readonly resume?: Uint8Array;
}

/** A method of fine-tuning: the options that it takes, and how it is started with them. */
export interface FinetuneMethod {
  readonly name: string;
  readonly description: string;
  readonly schema: OptionsSchema;
  start(device: Device, policy: Policy, env: VectorEnvironment, options: Readonly<Record<string, unknown>> & MethodHost): Training<IterationEvent>;
}

function method<const Schema extends OptionsSchema>(
  name: string,
  description: string,
  schema: Schema,
  algorithm: (device: Device, policy: Policy, env: VectorEnvironment, options: v.InferInput<Schema>) => Training<IterationEvent>,
): FinetuneMethod {
  // The command has read the options by this schema, and the algorithm reads them by it again.
  return { name, description, schema, start: (device, policy, env, options) => algorithm(device, policy, env, options) };
}

/** The methods of `difftune finetune`, the default one first. */
export const finetuneMethods: readonly FinetuneMethod[] = [
  method("dppo", "PPO through the denoising chain of diffusion policies", dppoSchema, dppo),
  method("ppo", "PPO on Gaussian and mixture policies", ppoSchema, ppo),
];
