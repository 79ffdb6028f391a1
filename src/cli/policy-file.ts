import { stat } from "node:fs/promises";
import path from "node:path";
import { DifftuneError } from "../core/errors.js";
import { Policy } from "../diffusion/policy.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { environment, type EnvironmentName, type EnvironmentOptions } from "../envs/registry.js";
import { environmentName, environmentSchema } from "./environment-section.js";
import { readBytes } from "./files.js";

/** Names under which a policy's file says where it acts. */
export const placeNames = { environment: "environment", options: "environmentOptions" } as const;

/** A file, given by its own path or by the folder that holds it under `name`. */
export async function fileIn(given: string, name: string): Promise<string> {
  const isFolder = await stat(given).then((entry) => entry.isDirectory(), () => false);
  return isFolder ? path.join(given, name) : given;
}

/** The file of a policy, given by its own path or by its run's folder. */
export function policyPath(given: string): Promise<string> {
  return fileIn(given, "policy.safetensors");
}

/** Reads a policy. */
export async function readPolicy(given: string): Promise<Policy> {
  const file = await policyPath(given);
  const bytes = await readBytes(file);
  try {
    return Policy.decode(bytes);
  } catch (cause) {
    if (!(cause instanceof DifftuneError)) throw cause;
    throw new DifftuneError("FORMAT", `${file} cannot be used: ${cause.message}`, { path: file, cause });
  }
}

/** The environment that a policy says it was made for; undefined where it says none that this package has. */
export function environmentOf(policy: Policy): EnvironmentName | undefined {
  const name = policy.metadata[placeNames.environment];
  try {
    return name === undefined ? undefined : environmentName(name);
  } catch {
    return undefined;
  }
}

/** The options of the environment that a policy was made for, as far as a command may pass them on. */
export function environmentOptionsOf(policy: Policy, name: EnvironmentName): Readonly<Record<string, unknown>> {
  if (policy.metadata[placeNames.environment] !== name) return {};
  try {
    return knownOptions(name, JSON.parse(policy.metadata[placeNames.options] ?? "{}"));
  } catch {
    return {};
  }
}

/** Of an environment's resolved options those that a command passes on; its threads are of the machine, not of the task. */
export function knownOptions(name: EnvironmentName, options: unknown): Readonly<Record<string, unknown>> {
  const given: Readonly<Record<string, unknown>> = typeof options === "object" && options !== null ? { ...options } : {};
  const names = Object.keys(environmentSchema(name).entries).filter((entry) => entry !== "threads" && given[entry] !== undefined);
  return Object.fromEntries(names.map((entry) => [entry, given[entry]]));
}

/** Where a policy acts: name, and the options that a command has gathered for it. */
export interface Place {
  readonly name: EnvironmentName;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Makes the environments that a policy acts in; on the WASM engine in its memory, so that nothing is copied. */
export function openEnvironment(device: Device, policy: Policy, { name, options }: Place, size: { readonly count: number; readonly seed: number; readonly actionSteps?: number; readonly autoReset?: boolean; readonly recordSteps?: boolean }): Promise<VectorEnvironment> {
  const { observationSteps, actionSteps } = policy.options;
  const all = { ...options, observationSteps, actionSteps, ...size, ...(device.memory === undefined ? {} : { memory: device.memory }) };
  return environment(name, all as EnvironmentOptions<typeof name>);
}
