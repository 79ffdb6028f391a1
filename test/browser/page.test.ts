import { availableParallelism } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { browserMissing, openPage, type OpenPage } from "./open-page.js";

const entry = "test/browser/page-entry.ts";

describe.skipIf(browserMissing !== undefined)(`the host in a page (${browserMissing ?? "headless Chromium"})`, () => {
  let page: OpenPage;
  beforeAll(async () => {
    page = await openPage(entry);
  });
  afterAll(() => page.close());

  test("an isolated page shares memory, counts its cores, never blocks, and has an adapter", async () => {
    expect(await page.call("capabilities")).toEqual({
      isolated: true,
      cores: availableParallelism(),
      mayBlock: false,
      hasAdapter: true,
      hasSharedMemory: true,
    });
  });

  test("random streams are those of Node", async () => {
    const stream = new PhiloxStream(42);
    expect(await page.call("words", 42, 64)).toEqual(Array.from({ length: 64 }, () => stream.word()));
  });

  test("the cache keeps text", async () => {
    expect(await page.call("storeAndRead", "key", "text")).toBe("text");
    expect(await page.call("storeAndRead", "key", "other")).toBe("other");
  });

  test("a worker starts, one that throws rejects, and nothing else went wrong in the page", async () => {
    expect(await page.call("startWorker", `if (workerData.word === "hello") report("ready");`)).toBe("ready");
    expect(page.messages).toEqual([]);
    await expect(page.call("startWorker", `throw "made to throw";`)).rejects.toThrow();
  });
});

describe.skipIf(browserMissing !== undefined)(`a page without isolation (${browserMissing ?? "headless Chromium"})`, () => {
  test("offers one thread, and no WebGPU where the browser has none", async () => {
    const page = await openPage(entry, { isolated: false, webgpu: false });
    try {
      expect(await page.call("capabilities")).toMatchObject({ isolated: false, cores: 1, hasAdapter: false });
    } finally {
      await page.close();
    }
  });
});
