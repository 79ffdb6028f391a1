import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readPairFiles } from "../../src/cli/pair-files.js";
import type { PreferencePair } from "../../src/preference/pair-store.js";
import { avoidBoxTask, compileTask } from "../../src/preference/preference-task.js";
import { RewardModel, rewardMap } from "../../src/preference/reward-model.js";
import { forbiddenBox, twoRoutes } from "../cli/label/two-routes.js";
import { expectBuilt } from "../expect-built.js";
import { deviceFor } from "../kernels/harness.js";
import { browserMissing, launchBrowser } from "./open-page.js";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const dataset = twoRoutes();

let browser: Browser | undefined;
let folder: string;
let pool: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  if (browserMissing !== undefined) return;
  await expectBuilt();
  browser = await launchBrowser();
  folder = await mkdtemp(path.join(tmpdir(), "difftune-label-"));
  pool = path.join(folder, "pool.safetensors");
  await writeFile(pool, dataset.encode());
});
afterAll(() => browser?.close());
afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
  await Promise.all(browser?.contexts().map((context) => context.close()) ?? []);
});

/** A labelling server as the command starts it, without the parent that only filters its error stream. */
class Serving {
  readonly child: ChildProcess;
  readonly #written: Promise<string>;
  output = "";

  constructor(words: readonly string[]) {
    this.child = spawn(process.execPath, [program, "label", "--engine", "wasm", ...words], { env: { ...process.env, DIFFTUNE_QUIET_CHILD: "unwatched" }, stdio: ["ignore", "pipe", "inherit"] });
    running.add(this.child);
    this.#written = new Promise((resolve, reject) => {
      this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        const address = /http:\S+/.exec(this.output);
        if (address !== null) resolve(address[0]);
      });
      this.child.on("close", (code) => { reject(new Error(`It ended with ${code}: ${this.output}`)); });
    });
  }

  /** The address of the page. */
  address(): Promise<string> {
    return this.#written;
  }

  /** Ends it by a signal; the exit code, or null where it was killed. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.child.on("close", resolve));
    this.child.kill(signal);
    running.delete(this.child);
    return ended;
  }
}

/** Opens the page and notes what goes wrong in it. */
async function visit(address: string, options: BrowserContextOptions = {}): Promise<{ page: Page; messages: string[] }> {
  const page = await (await browser!.newContext(options)).newPage();
  const messages: string[] = [];
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(`uncaught: ${error.message}`));
  await page.goto(address);
  await page.waitForSelector("body[data-key]");
  return { page, messages };
}

/** What the page says of a side to those who do not see it: where the agent is. */
async function places(page: Page): Promise<readonly [left: readonly number[], right: readonly number[]]> {
  const read = async (side: string): Promise<readonly number[]> => {
    const [, x, y] = /agentX ([-\d.]+), agentY ([-\d.]+)/.exec((await page.textContent(`#${side}-text`))!)!;
    return [Number(x), Number(y)];
  };
  return [await read("left"), await read("right")];
}

const keyOf = (page: Page): Promise<string | null> => page.getAttribute("body", "data-key");
const changed = (page: Page, key: string | null): Promise<unknown> => page.waitForFunction((before) => document.body.dataset.key !== before, key, { timeout: 30_000 });
const labelled = async (page: Page): Promise<number> => Number(await page.textContent("#labelled"));

interface Given {
  readonly sides: readonly [readonly number[], readonly number[]];
  readonly answer: "left" | "right" | "tie";
}

const rounded = (value: number | undefined): number => Number(value!.toPrecision(3));

/** Whether a stored pair is what was answered on the screen, whichever side its first segment was on. */
function isSame({ states0, states1, label }: PreferencePair, { sides: [left, right], answer }: Given): boolean {
  const [first, second] = [states0, states1].map(([x, y]) => [rounded(x), rounded(y)].join());
  const isSwapped = first !== left.join();
  const expected = answer === "tie" ? -1 : (answer === "left") !== isSwapped ? 0 : 1;
  return (isSwapped ? [second, first] : [first, second]).join(" ") === [left.join(), right.join()].join(" ") && label === expected;
}

const suite = browserMissing ?? "headless Chromium";

describe.skipIf(browserMissing !== undefined)(`the labelling page (${suite})`, () => {
  test("200 labels by key, with a kill in the middle and a reload: nothing is lost, and the reward learned from them meets the acceptance", { timeout: 900_000 }, async () => {
    const task = await compileTask(avoidBoxTask(forbiddenBox), ["agentX", "agentY"]);
    const out = path.join(folder, "killed");
    const words = ["--pool", pool, "--out", out, "--pairs", "200"];
    let serving = new Serving([...words, "--port", "0"]);
    const address = await serving.address();
    const { page, messages } = await visit(address);
    const given: Given[] = [];
    const answerOne = async (): Promise<string | null> => {
      const [key, sides] = [await keyOf(page), await places(page)];
      const difference = task.score(sides[1], 0) - task.score(sides[0], 0);
      const answer = Math.abs(difference) < task.tieWidth ? "tie" : difference > 0 ? "right" : "left";
      const names = { left: ["ArrowLeft", "a"], right: ["ArrowRight", "d"], tie: [" ", " "] }[answer];
      given.push({ sides, answer });
      await page.keyboard.press(names[given.length % 2]!);
      return key;
    };
    // Drawing is most of the work and is shown to work by the first questions; the others get a point, but for the kill and the reload.
    const point = PNG.sync.write(new PNG({ width: 1, height: 1 }));
    const pictures = /\/\d+-0\.png$/;
    while (given.length < 10) await changed(page, await answerOne());
    await page.route(pictures, (route) => route.fulfill({ contentType: "image/png", body: point }));
    while (given.length < 96) await changed(page, await answerOne());
    await page.unroute(pictures);
    while (given.length < 100) await changed(page, await answerOne());
    expect(messages).toEqual([]);

    // The server dies with an answer under way; the page goes on of itself when there is a new one.
    const before = await labelled(page);
    const key = await answerOne();
    expect(await serving.end("SIGKILL")).toBe(null);
    expect((await readPairFiles(out)).pairs.filter(({ repeatOf }) => repeatOf === undefined).length).toBeGreaterThanOrEqual(before);
    serving = new Serving([...words, "--port", new URL(address).port]);
    expect(await serving.address()).toBe(address);
    await changed(page, key);
    await page.waitForSelector("#connection[data-kind=saved]");
    expect(await page.isHidden("#notice")).toBe(true);

    while (given.length < 105) await changed(page, await answerOne());
    await page.reload();
    await page.waitForSelector("body[data-key]");
    // A wrong key, taken back: the same question, on the same sides.
    const asked = await places(page);
    const wrong = await keyOf(page);
    await page.keyboard.press("a");
    await changed(page, wrong);
    const after = await keyOf(page);
    await page.keyboard.press("u");
    await changed(page, after);
    expect(await places(page)).toEqual(asked);

    await page.route(pictures, (route) => route.fulfill({ contentType: "image/png", body: point }));
    while (!(await page.isVisible("#end"))) {
      const last = await answerOne();
      await page.waitForFunction((known) => document.body.dataset.key !== known, last, { timeout: 30_000 });
    }
    expect(await labelled(page)).toBe(200);
    await page.waitForFunction(() => document.getElementById("learned-from")?.textContent === "from 200 labels", undefined, { timeout: 120_000 });
    expect(await page.textContent("#accuracy")).toMatch(/^(9\d|100)(\.\d)? %$/);
    expect(await page.textContent("#consistency")).toBe("100 %");
    await page.waitForFunction(() => (document.getElementById("map") as HTMLImageElement).naturalWidth > 100);
    expect(await serving.end("SIGTERM")).toBe(0);
    expect(serving.output).toContain("200 of 200");
    expect((await readdir(out)).sort()).toEqual(["pairs.f32", "pairs.jsonl", "pool.safetensors", "queries.json", "reward.safetensors"]);

    const { pairs } = await readPairFiles(out);
    expect(pairs).toHaveLength(given.length);
    expect(pairs.filter(({ repeatOf }) => repeatOf === undefined)).toHaveLength(200);
    expect(pairs.filter((pair, at) => !isSame(pair, given[at]!))).toEqual([]);
    // Both sides are the better one about equally often, on the screen and in the store.
    const share = (count: number): number => count / pairs.filter(({ label }) => label !== -1).length;
    expect(share(given.filter(({ answer }) => answer === "left").length)).toBeGreaterThan(0.35);
    expect(share(given.filter(({ answer }) => answer === "right").length)).toBeGreaterThan(0.35);

    const device = await deviceFor("wasm");
    using scorer = await RewardModel.load(await readFile(path.join(out, "reward.safetensors"))).on(device);
    const feature = (x: number, y: number): readonly number[] => task.feature([x, y], 0);
    const map = await rewardMap(scorer, feature, { x: [0, 512], y: [0, 512] });
    const visited = Array.from({ length: dataset.stepCount }, (_, row) => [dataset.observations[5 * row]!, dataset.observations[5 * row + 1]!] as const);
    const rewards = await scorer.rewards(visited.flatMap(([x, y]) => feature(x, y)));
    const isInside = ([x, y]: readonly [number, number]): boolean => task.score([x, y], 0) === -1;
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const cells = map.y.flatMap((y, row) => map.x.map((x, column) => ({ place: [x, y] as const, reward: map.values[row]![column]! })));
    const far = cells.filter(({ place: [x, y] }) => visited.every(([vx, vy]) => Math.hypot(vx - x, vy - y) > 60));
    expect(mean(cells.filter(({ place }) => isInside(place)).map(({ reward }) => reward))).toBeLessThan(-0.5);
    expect(mean(visited.flatMap((place, row) => (isInside(place) ? [] : [rewards[row]!])))).toBeGreaterThan(0.3);
    expect(far.length).toBeGreaterThan(300);
    expect(mean(far.map(({ reward }) => Math.abs(reward)))).toBeLessThan(0.35);
  });

  test("keyboard alone: help, buttons and answers, with words for those who do not see", async () => {
    const serving = new Serving(["--pool", pool, "--out", path.join(folder, "keyboard"), "--port", "0"]);
    const { page, messages } = await visit(await serving.address());
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    const key = await keyOf(page);
    await page.keyboard.press("a");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog:not([open])", { state: "attached" });
    expect(await keyOf(page)).toBe(key);
    // Tab walks through everything that can be pressed, in the order of the page.
    const walked: string[] = [];
    await page.evaluate(() => { (document.activeElement as HTMLElement).blur(); });
    for (let step = 0; step < 7; step++) {
      await page.keyboard.press("Tab");
      walked.push(await page.evaluate(() => document.activeElement?.id ?? ""));
    }
    expect(walked).toEqual(["help", "left", "right", "tie", "skip", "train", walked[6]]);
    // The space bar presses the button that was walked to, and answers where none was.
    await page.focus("#right");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press(" ");
    await changed(page, key);
    await expect.poll(() => page.textContent("#said")).toBe("Right is better. 1 of 1024.");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("right");
    const second = await keyOf(page);
    await page.click("#tie");
    await changed(page, second);
    const third = await keyOf(page);
    await page.keyboard.press(" ");
    await changed(page, third);
    await expect.poll(() => page.textContent("#said")).toBe("Equally good. 3 of 1024.");
    // A key that is held down, or is meant for the browser, is no answer.
    const fourth = await keyOf(page);
    await page.evaluate(() => {
      for (const more of [{ repeat: true }, { ctrlKey: true }, { metaKey: true }]) document.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true, ...more }));
    });
    await page.waitForTimeout(300);
    expect(await keyOf(page)).toBe(fourth);
    for (const side of ["left", "right"]) expect(await page.textContent(`#${side}-text`)).toMatch(/^agentX [\d.]+, agentY [\d.]+, blockX/);
    expect(messages).toEqual([]);
    const { pairs } = await readPairFiles(path.join(folder, "keyboard"));
    expect(pairs.map(({ label }) => label).slice(1)).toEqual([-1, -1]);
  });

  test.each([["a phone", 390, 844], ["a small phone", 320, 568], ["a phone on its side", 844, 390]])("touch on %s: everything within reach, nothing beside the screen", async (name, width, height) => {
    const out = path.join(folder, name.replaceAll(" ", "-"));
    const serving = new Serving(["--pool", pool, "--out", out, "--port", "0"]);
    const { page } = await visit(await serving.address(), { viewport: { width, height }, hasTouch: true, isMobile: true });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    for (const id of ["left", "right", "tie", "skip"]) {
      const box = (await page.locator(`#${id}`).boundingBox())!;
      expect(Math.min(box.width, box.height), id).toBeGreaterThanOrEqual(44);
      expect(box.y + box.height, id).toBeLessThanOrEqual(height);
      const key = await keyOf(page);
      await page.tap(`#${id}`);
      await changed(page, key);
    }
    await expect.poll(() => page.textContent("#labelled")).toBe("3");
    const key = await keyOf(page);
    await page.tap("#undo");
    await changed(page, key);
    await page.tap("#undo");
    await expect.poll(() => page.textContent("#labelled")).toBe("2");
  });

  test("clips are played, paused and wound by hand, and still where motion is unwelcome", async () => {
    const serving = new Serving(["--pool", pool, "--out", path.join(folder, "clips"), "--segment", "6", "--port", "0"]);
    const { page } = await visit(await serving.address());
    const at = (): Promise<number> => page.inputValue("#frame").then(Number);
    const seen = new Set<number>();
    const pictures = (): Promise<(string | null)[]> => Promise.all(["left", "right"].map((side) => page.getAttribute(`#${side}-picture img`, "src")));
    await expect.poll(async () => { seen.add(await at()); return seen.size; }).toBeGreaterThan(3);
    await page.keyboard.press("p");
    const still = await at();
    await page.waitForTimeout(400);
    expect(await at()).toBe(still);
    await page.focus("#frame");
    await page.keyboard.press("End");
    expect(await at()).toBe(5);
    for (const address of await pictures()) expect(address).toMatch(/-5\.png$/);
    await page.keyboard.press("Home");
    for (const address of await pictures()) expect(address).toMatch(/-0\.png$/);
    const key = await keyOf(page);
    await page.click("#left .caption");
    await changed(page, key);
    const { page: calm } = await visit(await serving.address(), { reducedMotion: "reduce" });
    await calm.waitForTimeout(400);
    expect(Number(await calm.inputValue("#frame"))).toBe(5);
    expect((await readPairFiles(path.join(folder, "clips"))).pairs.map(({ horizon }) => horizon)).toEqual([6]);
  });

  test("two windows show the same question, and one answer", async () => {
    const serving = new Serving(["--pool", pool, "--out", path.join(folder, "windows"), "--port", "0"]);
    const address = await serving.address();
    const [{ page: one }, { page: two }] = [await visit(address), await visit(address)];
    const key = await keyOf(one);
    expect(await keyOf(two)).toBe(key);
    await one.keyboard.press("a");
    await changed(two, key);
    await expect.poll(() => keyOf(one)).toBe(await keyOf(two));
    expect([await labelled(one), await labelled(two)]).toEqual([1, 1]);
  });

  test("a page of another origin can neither read, say, show nor frame anything", async () => {
    const out = path.join(folder, "hostile");
    const serving = new Serving(["--pool", pool, "--out", out, "--port", "0"]);
    const target = (await serving.address()).slice(0, -1);
    const { page: own } = await visit(`${target}/`);
    const hostile = createServer((_, response) => { response.setHeader("content-type", "text/html").end("<!doctype html><title>hostile</title>"); });
    await new Promise<void>((resolve) => hostile.listen(0, "127.0.0.1", resolve));
    try {
      const page = await (await browser!.newContext()).newPage();
      await page.goto(`http://127.0.0.1:${(hostile.address() as AddressInfo).port}/`);
      const result = await page.evaluate(async (place) => {
        const tried = async (work: () => Promise<unknown>): Promise<string> => work().then((value) => `got ${String(value)}`, () => "refused");
        const load = (element: HTMLImageElement | HTMLScriptElement, address: string): Promise<string> => new Promise((resolve) => {
          element.onload = () => { resolve("loaded"); };
          element.onerror = () => { resolve("refused"); };
          element.src = address;
          document.head.append(element);
        });
        const frame = document.createElement("iframe");
        frame.src = place;
        const framed = new Promise<string>((resolve) => {
          frame.onload = () => {
            try { resolve(frame.contentDocument === null ? "closed" : "open"); } catch { resolve("closed"); }
          };
        });
        document.body.append(frame);
        return {
          read: await tried(async () => (await fetch(`${place}/state`)).text()),
          say: await tried(async () => (await fetch(`${place}/answer`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"key":"0-1-2","answer":"left"}' })).status),
          form: await tried(async () => (await fetch(`${place}/undo`, { method: "POST", mode: "no-cors", body: "{}" })).type),
          listen: await new Promise<string>((resolve) => {
            const stream = new EventSource(`${place}/events`);
            stream.onmessage = () => { resolve("heard"); };
            stream.onerror = () => { stream.close(); resolve("refused"); };
          }),
          image: await load(document.createElement("img"), `${place}/icon.svg`),
          script: await load(document.createElement("script"), `${place}/page.js`),
          framed: await framed,
        };
      }, target);
      expect(result).toEqual({ read: "refused", say: "refused", form: expect.stringMatching(/opaque|refused/) as string, listen: "refused", image: "refused", script: "refused", framed: "closed" });
    } finally {
      await new Promise((resolve) => hostile.close(resolve));
    }
    expect(await own.evaluate(() => globalThis.crossOriginIsolated)).toBe(true);
    expect((await readPairFiles(out)).pairs).toEqual([]);
    // Text that gets into the page is never run, and is not even markup.
    expect(await own.evaluate(() => {
      const ran = (work: () => void): string => {
        try { work(); } catch { return "refused"; }
        return "done";
      };
      const script = document.createElement("script");
      return {
        markup: ran(() => { document.body.insertAdjacentHTML("beforeend", "<b>hello</b>"); }),
        script: ran(() => { script.text = "globalThis.hasRun = true"; }),
        address: ran(() => { script.src = "data:text/javascript,globalThis.hasRun=true"; }),
      };
    })).toEqual({ markup: "refused", script: "refused", address: "refused" });
  });

  test("says when its server is gone, and that the labels are safe", async () => {
    const out = path.join(folder, "gone");
    const serving = new Serving(["--pool", pool, "--out", out, "--port", "0"]);
    const { page } = await visit(await serving.address());
    const key = await keyOf(page);
    await page.keyboard.press("d");
    await changed(page, key);
    expect(await serving.end("SIGTERM")).toBe(0);
    await page.waitForSelector("#connection[data-kind=lost]");
    expect(await page.textContent("#notice")).toContain(`--out ${out}`);
    expect((await readPairFiles(out)).pairs).toHaveLength(1);
    expect(await readdir(out)).not.toContain("lock");
  });
});
