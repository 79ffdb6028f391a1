import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { browserMissing, openPage, type OpenPage } from "./open-page.js";
import { activate, hurry } from "./engine-entry.js";

const entry = "test/browser/engine-entry.ts";
const rows = 67;
const columns = 33;
const stream = new PhiloxStream(3);
const values = Array.from({ length: rows * columns }, () => Math.fround(3 * stream.normal()));

type Outcome = Awaited<ReturnType<typeof activate>>;

describe.skipIf(browserMissing !== undefined)(`the engines in a page (${browserMissing ?? "headless Chromium"})`, () => {
  let page: OpenPage;
  let expected: Outcome;
  beforeAll(async () => {
    page = await openPage(entry);
    expected = await activate("wasm", 1, "mish", values, columns);
  });
  afterAll(() => page.close());

  test.each([1, 2, 3])("WASM gives the bits of Node on %i threads", async (threads) => {
    const found = await page.call<Outcome>("activate", "wasm", threads, "mish", values, columns);
    expect(found.threads).toBe(threads);
    expect(found.values).toEqual(expected.values);
  });

  test.each([1, 2, 3])("updates, writes, frees and closing keep their place behind pending runs on %i threads", async (threads) => {
    expect(await page.call("hurry", threads)).toEqual(await hurry(1));
  });

  test("WebGPU agrees with WASM", async () => {
    const found = await page.call<Outcome>("activate", "webgpu", undefined, "mish", values, columns);
    const worst = Math.max(...found.values.map((value, at) => Math.abs(value - expected.values[at]!) / (1 + Math.abs(expected.values[at]!))));
    expect(found.values.length).toBe(expected.values.length);
    expect(worst).toBeLessThan(4e-6);
  });

  test("a software adapter is never the default", async () => {
    expect(await page.call("defaultEngine")).toBe("wasm");
  });

  test("nothing is printed", () => {
    expect(page.messages).toEqual([]);
  });
});

describe.skipIf(browserMissing !== undefined)(`the engines in a page without isolation (${browserMissing ?? "headless Chromium"})`, () => {
  test("WASM runs on one thread, with the same bits, and says why more are refused", async () => {
    const page = await openPage(entry, { isolated: false });
    try {
      const found = await page.call<Outcome>("activate", "wasm", undefined, "mish", values, columns);
      expect(found.threads).toBe(1);
      expect(found.values).toEqual((await activate("wasm", 1, "mish", values, columns)).values);
      await expect(page.call("activate", "wasm", 2, "mish", values, columns)).rejects.toThrow(/COOP and COEP/);
    } finally {
      await page.close();
    }
  });
});

describe.skipIf(browserMissing !== undefined)(`the engines under a content security policy (${browserMissing ?? "headless Chromium"})`, () => {
  test("wasm-unsafe-eval and blob: workers are all they need", async () => {
    const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:";
    const page = await openPage(entry, { headers: { "content-security-policy": policy } });
    try {
      const found = await page.call<Outcome>("activate", "wasm", 2, "mish", values, columns);
      expect(found.values).toEqual((await activate("wasm", 1, "mish", values, columns)).values);
    } finally {
      await page.close();
    }
  });
});
