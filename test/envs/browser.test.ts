import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPushT, encodeGif, encodePng } from "../../src/envs/index.js";
import { environmentNames } from "../../src/envs/registry.js";
import { browserMissing, openPage, type OpenPage } from "../browser/open-page.js";
import { rolloutHash } from "./rollout.js";

const entry = "test/browser/envs-entry.ts";

describe.skipIf(browserMissing !== undefined)(`environments in a page (${browserMissing ?? "headless Chromium"})`, () => {
  let isolated: OpenPage;
  let plain: OpenPage;
  beforeAll(async () => {
    [isolated, plain] = await Promise.all([openPage(entry, { webgpu: false }), openPage(entry, { webgpu: false, isolated: false })]);
  });
  afterAll(() => Promise.all([isolated.close(), plain.close()]));

  test.each(environmentNames)("500 seeded steps of %s have the same hash as in Node, with and without threads", async (name) => {
    const options = { count: 6, actionSteps: 5, maxSteps: 70 };
    const expected = await rolloutHash(name, { ...options, threads: 1 }, 100);
    expect(await isolated.call("rolloutHash", name, { ...options, threads: 2 }, 100)).toBe(expected);
    expect(await isolated.call("rolloutHash", name, { ...options, threads: 1 }, 100)).toBe(expected);
    expect(await plain.call("rolloutHash", name, options, 100)).toBe(expected);
  });

  test("a page's main thread never blocks: on threads a chunk is a promise, on one it is done at once", async () => {
    const onThreads = await isolated.call<{ isPromise: boolean; first: number[] }>("stepOnce", 2);
    expect(onThreads.isPromise).toBe(true);
    const alone = await isolated.call<{ isPromise: boolean; first: number[] }>("stepOnce", 1);
    expect(alone.isPromise).toBe(false);
    expect(alone.first).toEqual(onThreads.first);
  });

  test("a second chunk while one is running is refused", async () => {
    expect(await isolated.call("stepTwice")).toContain("still running the last chunk");
  });

  test("pictures made in the page are those made in Node, to the byte", async () => {
    using env = await createPushT();
    await env.reset();
    const image = env.render(0, 48);
    const made = await plain.call<{ png: number[]; gif: number[] }>("pictures");
    expect(made.png).toEqual([...(await encodePng(image))]);
    expect(made.gif).toEqual([...(await encodeGif([image, image]))]);
    expect(plain.messages).toEqual([]);
  });
});
