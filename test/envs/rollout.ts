import { PhiloxStream } from "../../src/core/philox.js";
import type { VectorEnvironment } from "../../src/envs/index.js";
import { environment, type EnvironmentName, type EnvironmentOptions } from "../../src/envs/registry.js";

/** FNV-1a over the 32-bit words of anything. */
export class Hash {
  #value = 0x811c9dc5;

  add(values: ArrayBufferView): void {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.byteLength / 4);
    for (const word of words) this.#value = Math.imul(this.#value ^ word, 0x01000193);
  }

  get value(): string {
    return (this.#value >>> 0).toString(16).padStart(8, "0");
  }
}

/** The places of a Push-T observation where an action near the block leads; Avoid moves ahead by small steps. */
export function randomActions(env: VectorEnvironment, random: PhiloxStream): void {
  const isAvoid = env.name.startsWith("avoid");
  for (let index = 0; index < env.actions.length; index++) {
    if (isAvoid) env.actions[index] = index % 2 === 0 ? 0.024 * random.uniform() - 0.012 : 0.0125 * random.uniform();
    else env.actions[index] = 60 + 390 * random.uniform();
  }
}

/** The hash of all that a seeded run shows: the same on every machine, thread count and host. */
export async function rolloutHash<Name extends EnvironmentName>(name: Name, options: EnvironmentOptions<Name>, chunks: number): Promise<string> {
  const env = await environment(name, options);
  const random = new PhiloxStream(2024);
  const hash = new Hash();
  hash.add((await env.reset()).observations);
  for (let chunk = 0; chunk < chunks; chunk++) {
    randomActions(env, random);
    const result = await env.stepChunk(env.actions);
    for (const part of [result.observations, result.rewards, result.terminated, result.truncated, result.steps]) hash.add(part);
    hash.add(result.running.values);
  }
  env.close();
  return hash.value;
}
