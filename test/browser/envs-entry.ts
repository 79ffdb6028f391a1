import { createPushT, encodeGif, encodePng } from "../../src/envs/index.js";
import { rolloutHash } from "../envs/rollout.js";

export { rolloutHash };

/** Whether a chunk on threads comes back as a promise, and its first numbers. */
export async function stepOnce(threads: number): Promise<{ isPromise: boolean; first: number[] }> {
  const env = await createPushT({ count: 16, actionSteps: 4, threads });
  await env.reset();
  env.actions.fill(200);
  const pending = env.stepChunk(env.actions);
  const isPromise = pending instanceof Promise;
  const { observations } = await pending;
  const first = [...observations.subarray(0, 5)];
  env.close();
  return { isPromise, first };
}

/** What a second call says while a chunk is running. */
export async function stepTwice(): Promise<string> {
  const env = await createPushT({ count: 64, actionSteps: 64, threads: 2 });
  await env.reset();
  const pending = env.stepChunk(env.actions);
  let message = "accepted";
  try {
    void env.stepChunk(env.actions);
  } catch (error) {
    message = error instanceof Error ? error.message : String(error);
  }
  await pending;
  env.close();
  return message;
}

/** Pictures made in the page, as numbers. */
export async function pictures(): Promise<{ png: number[]; gif: number[] }> {
  const env = await createPushT();
  await env.reset();
  const image = env.render(0, 48);
  const files = { png: [...(await encodePng(image))], gif: [...(await encodeGif([image, image]))] };
  env.close();
  return files;
}
