import * as v from "valibot";
import { dawr, dawrSchema } from "../algorithms/dawr.js";
import { dipo, dipoSchema } from "../algorithms/dipo.js";
import { dppo, dppoSchema } from "../algorithms/dppo.js";
import { dql, dqlSchema } from "../algorithms/dql.js";
import { drwr, drwrSchema } from "../algorithms/drwr.js";
import { fdpp, fdppSchema, underFdpp } from "../algorithms/fdpp.js";
import { idql, idqlSchema } from "../algorithms/idql.js";
import { ppo, ppoSchema } from "../algorithms/ppo.js";
import { qsm, qsmSchema } from "../algorithms/qsm.js";
import { parseOptions, type OptionsSchema } from "../core/options.js";
import type { Policy } from "../diffusion/policy.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { compileFeatures } from "../preference/expression.js";
import { RewardModel } from "../preference/reward-model.js";
import type { IterationEvent, Training } from "../rl/training.js";
import { pathOption } from "./options.js";

/** What a method of fine-tuning gets beside its own options. */
interface MethodHost {
  readonly signal: AbortSignal;
  readonly resume?: Uint8Array;
}

/** A file that a method works with. */
export interface MethodInput {
  /** The option that names the file; also the name of its copy in the folder of the run. */
  readonly option: string;
  /** Reads its content to what the algorithm gets as this option. Refuses what does not fit the environment. */
  read(bytes: Uint8Array, env: VectorEnvironment): Promise<unknown>;
}

/** A method of fine-tuning: the options that it takes, and how it is started with them. */
export interface FinetuneMethod {
  readonly name: string;
  readonly description: string;
  readonly schema: OptionsSchema;
  readonly input?: MethodInput;
  /** Whether it needs the state that every single step led to. */
  readonly recordsSteps?: boolean;
  /**
   * The policy that the tuned one is compared with, where both are to be evaluated as the method has them act, noise and all. Left
   * out, the policy is evaluated as it was given, and both deterministically.
   */
  comparedWith?(policy: Policy, options: Readonly<Record<string, unknown>>): Policy;
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

/** A reward model whose features are of columns that the environment has. */
async function readReward(bytes: Uint8Array, env: VectorEnvironment): Promise<RewardModel> {
  const model = RewardModel.load(bytes);
  await compileFeatures(model.shape.features, env.observationSpace.names);
  return model;
}

/** The methods of `difftune finetune`, the default one first. */
export const finetuneMethods: readonly FinetuneMethod[] = [
  method("dppo", "PPO through the denoising chain of diffusion policies", dppoSchema, dppo),
  {
    ...method("fdpp", "Human preferences: PPO through the denoising chain on a learned reward, held near the frozen policy", fdppSchema, fdpp),
    schema: v.strictObject({
      reward: pathOption("The learned reward: its file, or the folder of labels that difftune label has written it to."),
      ...v.omit(fdppSchema, ["reward"]).entries,
    }),
    input: { option: "reward", read: readReward },
    recordsSteps: true,
    comparedWith: (policy, { sampler, stdFloor }) => underFdpp(policy, parseOptions(v.pick(fdppSchema, ["sampler", "stdFloor"]), { sampler, stdFloor }, "fdpp")),
  },
  method("ppo", "PPO on Gaussian and mixture policies", ppoSchema, ppo),
  method("drwr", "Baseline: cloning of own decisions, weighted by their returns", drwrSchema, drwr),
  method("dawr", "Baseline: cloning of remembered decisions, weighted by their advantages", dawrSchema, dawr),
  method("idql", "Baseline: cloning of remembered decisions; critics choose among samples", idqlSchema, idql),
  method("dql", "Baseline: the gradient of critics through the denoising chain", dqlSchema, dql),
  method("dipo", "Baseline: cloning of remembered decisions that the gradient of critics has improved", dipoSchema, dipo),
  method("qsm", "Baseline: the predicted noise becomes the gradient of critics", qsmSchema, qsm),
];
