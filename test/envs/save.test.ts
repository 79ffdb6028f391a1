import { describe, expect, test } from "vitest";
import { LinearMemory } from "../../src/core/linear-memory.js";
import { PhiloxStream } from "../../src/core/philox.js";
import { createAvoid, createPushT, type Avoid, type PushT } from "../../src/envs/index.js";
import { Hash, randomActions } from "./rollout.js";

const kinds: [string, (threads: number, count?: number, memory?: LinearMemory) => Promise<PushT | Avoid>][] = [
  ["push-t", (threads, count = 19, memory = new LinearMemory()) => createPushT({ count, actionSteps: 4, observationSteps: 2, maxSteps: 37, threads, memory })],
  ["avoid", (threads, count = 19, memory = new LinearMemory()) => createAvoid({ count, actionSteps: 4, observationSteps: 2, maxSteps: 37, threads, memory })],
];

async function run(env: PushT | Avoid, random: PhiloxStream, chunks: number): Promise<string> {
  const hash = new Hash();
  for (let chunk = 0; chunk < chunks; chunk++) {
    randomActions(env, random);
    const { observations, finalObservations, rewards, running, finished, truncated } = await env.stepChunk(env.actions);
    for (const part of [observations, finalObservations, rewards, running.values, finished.values, truncated]) hash.add(part);
  }
  return hash.value;
}

describe.each(kinds)("a saved state of %s", (_, open) => {
  test("goes on to the bit, elsewhere in another memory, on other threads, over the resets to come", async () => {
    using env = await open(1);
    await env.reset();
    await run(env, new PhiloxStream(1), 15);
    const saved = env.save();
    const expected = await run(env, new PhiloxStream(2), 20);
    const memory = new LinearMemory();
    memory.allocate(100_000);
    using other = await open(2, 19, memory);
    other.restore(saved);
    expect(await run(other, new PhiloxStream(2), 20)).toBe(expected);
    // And back where it came from.
    env.restore(saved);
    expect(await run(env, new PhiloxStream(2), 20)).toBe(expected);
  });

  test("is refused where it does not belong, cut off, damaged, or before there is one; nothing moves", async () => {
    using env = await open(1);
    expect(() => env.save()).toThrow(expect.objectContaining({ code: "ENVIRONMENT" }));
    await env.reset();
    const saved = env.save();
    using larger = await open(1, 20);
    expect(() => { larger.restore(saved); }).toThrow(expect.objectContaining({ code: "FORMAT" }));
    await run(env, new PhiloxStream(3), 2);
    const now = env.save();
    const damaged = saved.slice();
    damaged[damaged.length - 77]! ^= 4;
    for (const wrong of [saved.subarray(1), saved.subarray(0, -1), new Uint8Array(0), new Uint8Array(5), new Uint8Array(saved.length), damaged]) {
      expect(() => { env.restore(wrong); }).toThrow(expect.objectContaining({ code: "FORMAT" }));
    }
    expect(env.save()).toEqual(now);
    env.close();
    expect(() => env.save()).toThrow("closed");
    expect(() => { env.restore(saved); }).toThrow("closed");
  });
});
