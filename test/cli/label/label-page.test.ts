import { createHash } from "node:crypto";
import { mkdtemp, open as openFile, readFile, rm, writeFile, type FileHandle } from "node:fs/promises";
import { request, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { LabelPage } from "../../../src/cli/label/label-page.js";
import { LabelSession, type LabelSessionOptions } from "../../../src/cli/label/label-session.js";
import { routes, tokenHeader, type LabelState } from "../../../src/cli/label/protocol.js";
import { statePainter } from "../../../src/cli/label/state-pictures.js";
import { readPairFiles } from "../../../src/cli/pair-files.js";
import { Segments } from "../../../src/preference/segments.js";
import { deviceFor } from "../../kernels/harness.js";
import { twoRoutes } from "./two-routes.js";

const dataset = twoRoutes(4);
const pool = new Segments(dataset, { features: ["agentX"], feature: (states, row) => [states[5 * row]! / 256 - 1] });

const painter = statePainter("pusht", pool.columns.states);

let folder: string;
let page: LabelPage;
let session: LabelSession;
let origin: string;

async function optionsFor(place: string, more: Partial<LabelSessionOptions> = {}): Promise<LabelSessionOptions> {
  return { folder: place, pool, target: 30, strategy: "uniform", seed: 0, device: await deviceFor("wasm"), training: { hidden: [8], epochs: 3, members: 1 }, area: undefined, ...more };
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "difftune-label-"));
  session = await LabelSession.open(await optionsFor(folder));
  page = await LabelPage.serve(session, painter, 0);
  origin = page.address.slice(0, -1);
});
afterAll(async () => {
  await page.close();
  await session.close();
  await rm(folder, { recursive: true, force: true });
});

interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request as it is written: no client corrects the path or the headers. */
function ask(place: string, { method = "GET", headers = {}, body }: Asking = {}): Promise<Response> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path: place, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }); });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const stateNow = async (): Promise<LabelState> => JSON.parse((await ask(routes.state)).body.toString()) as LabelState;

/** Says something as the page does, but for what is given. */
async function say(route: string, message: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const { token } = await stateNow();
  return ask(route, { method: "POST", headers: { "content-type": "application/json", [tokenHeader]: token, origin, "sec-fetch-site": "same-origin", ...headers }, body: typeof message === "string" ? message : JSON.stringify(message) });
}

describe("what is served", () => {
  test("is the page, its parts and its state, each with policies that let nothing else in", async () => {
    const { question } = await stateNow();
    const parts = ["/", "/page.js", "/page.css", "/icon.svg", routes.state, question!.left.pictures[0]!];
    for (const part of parts) {
      const { status, headers, body } = await ask(part);
      expect(status, part).toBe(200);
      expect(body.length).toBeGreaterThan(100);
      expect(headers).toMatchObject({
        "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp", "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer", "cache-control": "no-store",
      });
      const policy = headers["content-security-policy"] as string;
      expect(policy).toContain("default-src 'none'");
      for (const loose of ["unsafe", "*", "data:", "blob:", "http"]) expect(policy).not.toContain(loose);
    }
    expect((await ask(parts.at(-1)!)).body.subarray(1, 4).toString()).toBe("PNG");
  });

  test("names no other host, and holds no script or style in its markup", async () => {
    for (const part of ["/", "/page.css", "/page.js", "/icon.svg"]) {
      const text = (await ask(part)).body.toString().replaceAll("http://www.w3.org/", "");
      expect(text, part).not.toMatch(/https?:\/\/|@import|url\(/);
    }
    const markup = (await ask("/")).body.toString();
    expect(markup).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*src=)/);
  });

  test("answers HEAD like GET, without a body", async () => {
    const { status, body, headers } = await ask("/", { method: "HEAD" });
    expect([status, body.length]).toEqual([200, 0]);
    expect(Number(headers["content-length"])).toBeGreaterThan(1000);
  });

  test("has the same name and picture for a state as long as the session lasts", async () => {
    const { question } = await stateNow();
    const hash = async (): Promise<string> => createHash("sha256").update((await ask(question!.left.pictures[0]!)).body).digest("hex");
    expect(await hash()).toBe(await hash());
  });
});

describe("what is not served:", () => {
  test.each([
    "/../package.json", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/....//etc/passwd", "/pairs.jsonl", "/lock", "/reward.safetensors",
    "/page.js/../../pairs.jsonl", "/index.html", "//", "/page.js?x=1", "/constructor", "/__proto__", "/toString", "/\\..\\pairs.jsonl",
  ])("%s", async (place) => {
    const { status, body } = await ask(place);
    expect([status, body.toString()]).toEqual([404, "There is no such page.\n"]);
  });

  test("pictures of states that the pool does not have, and of other sessions", async () => {
    const { question } = await stateNow();
    const [, name] = question!.left.pictures[0]!.split("/");
    for (const place of [`/${name}/160-0.png`, `/${name}/0-1.png`, `/${name}/-1-0.png`, `/${name}/1e2-0.png`, `/${name}/map-0.png`, "/000000000000/0-0.png", `/${name}/0-0.svg`]) {
      expect((await ask(place)).status, place).toBe(404);
    }
    expect((await ask(`/${name}/159-0.png`)).status).toBe(200);
  });
});

describe("who is not heard:", () => {
  const port = (): string => new URL(origin).port;
  test.each([
    ["another host name", () => ({ host: `attacker.example:${port()}` }), 421],
    ["this address at another port", () => ({ host: "127.0.0.1:1" }), 421],
    ["the host name without a port", () => ({ host: "localhost" }), 421],
    ["another origin", () => ({ origin: ["https:", "", "attacker.example"].join("/") }), 403],
    ["a page of another port", () => ({ origin: "http://127.0.0.1:1" }), 403],
    ["a sandboxed page", () => ({ origin: "null" }), 403],
    ["this page by another scheme", () => ({ origin: `https://127.0.0.1:${port()}` }), 403],
    ["a request that another site made", () => ({ "sec-fetch-site": "cross-site" }), 403],
    ["a request of another port", () => ({ "sec-fetch-site": "same-site" }), 403],
  ])("%s", async (_, headers, status) => {
    for (const place of ["/", routes.state, routes.events]) expect((await ask(place, { headers: headers() })).status, place).toBe(status);
    const { question, labelled } = await stateNow();
    expect((await say(routes.answer, { key: question!.key, answer: "left" }, headers())).status).toBe(status);
    expect((await stateNow()).labelled).toBe(labelled);
  });

  test("a request without a host name", async () => {
    const { hostname, port: number } = new URL(origin);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = "";
      const socket = connect({ host: hostname, port: Number(number) }, () => { socket.write("GET /state HTTP/1.0\r\n\r\n"); });
      socket.setEncoding("utf8").on("data", (part: string) => { text += part; }).on("close", () => { resolve(text); }).on("error", reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 421 /);
    expect(answer).not.toContain("token");
  });

  test("its own page by either name, and whoever types the address, are", async () => {
    expect((await ask("/", { headers: { host: `localhost:${port()}`, "sec-fetch-site": "none" } })).status).toBe(200);
    expect((await ask(routes.state, { headers: { origin, "sec-fetch-site": "same-origin" } })).status).toBe(200);
  });

  test.each([
    ["a message without the word of the session", { [tokenHeader]: "" }, 403],
    ["a message with another word", { [tokenHeader]: "A".repeat(32) }, 403],
    ["a message as a form sends it", { "content-type": "text/plain" }, 415],
    ["a message from the address bar", { "sec-fetch-site": "none" }, 403],
  ])("%s", async (_, headers, status) => {
    const { question, labelled } = await stateNow();
    for (const [route, message] of [[routes.answer, { key: question!.key, answer: "left" }], [routes.undo, {}], [routes.train, {}], [routes.more, {}]] as const) {
      expect((await say(route, message, headers)).status, route).toBe(status);
    }
    expect((await stateNow()).labelled).toBe(labelled);
  });

  test.each([
    ["no JSON", "hello", 400], ["another shape", { key: "1" }, 400], ["an unknown answer", { key: "0-1-2", answer: "both" }, 400],
    ["one field too many", { key: "0-1-2", answer: "left", more: 1 }, 400], ["a list", [], 400], ["nothing", "", 400], ["too much", "x".repeat(5000), 413],
  ])("an answer that is %s", async (_, message, status) => {
    expect((await say(routes.answer, message)).status).toBe(status);
    expect((await stateNow()).labelled).toBe(0);
  });

  test("a route that is none, a method that is none", async () => {
    expect((await say("/pairs", {})).status).toBe(404);
    for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) expect((await ask(routes.answer, { method })).status, method).toBe(405);
  });

  test("anybody beyond this machine: only the loopback interface listens", async () => {
    const reached = await new Promise<boolean>((resolve) => {
      // Another address of the loopback network reaches whatever listens everywhere.
      const socket = connect({ host: "127.0.0.2", port: Number(port()) }, () => { socket.destroy(); resolve(true); });
      socket.on("error", () => { resolve(false); });
    });
    expect(reached).toBe(false);
  });
});

describe("answers", () => {
  test("are on the disk when they are acknowledged, and an answer that comes twice is one label", async () => {
    const before = await stateNow();
    const { key } = before.question!;
    const [first, second] = await Promise.all([say(routes.answer, { key, answer: "right" }), say(routes.answer, { key, answer: "left" })]);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect((await readPairFiles(folder)).pairs).toHaveLength(1);
    const after = await stateNow();
    expect(after).toMatchObject({ labelled: 1, target: 30, session: before.session });
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.question!.key).not.toBe(key);
    const undone = JSON.parse((await say(routes.undo, {})).body.toString()) as LabelState;
    expect(undone.labelled).toBe(0);
    expect([undone.question!.left, undone.question!.right]).toEqual([before.question!.left, before.question!.right]);
    expect((await readPairFiles(folder)).pairs).toHaveLength(0);
  });

  test("labels that are all alike give no reward but a notice, and labelling goes on", async () => {
    for (let label = 0; label < 2; label++) await say(routes.answer, { key: (await stateNow()).question!.key, answer: "tie" });
    await say(routes.train, {});
    await expect.poll(async () => (await stateNow()).notice).toMatch(/No training pair is labelled/);
    const { labelled, question, reward } = await stateNow();
    expect([labelled, question !== undefined, reward]).toEqual([2, true, undefined]);
  });

  test("as many as wanted end the questions, and the reward is learned from all of them", async () => {
    for (let state = await stateNow(); state.end === undefined; state = await stateNow()) {
      const { key, left, right } = state.question!;
      const [x, y] = [left, right].map(({ text }) => Number(/agentX ([\d.]+)/.exec(text)![1]));
      expect((await say(routes.answer, { key, answer: x! > y! ? "left" : "right" })).status).toBe(200);
    }
    await expect.poll(async () => (await stateNow()).reward?.labels, { timeout: 20_000 }).toBe(30);
    expect(await stateNow()).toMatchObject({ labelled: 30, end: "target" });
    expect((await readFile(path.join(folder, "reward.safetensors"))).length).toBeGreaterThan(100);
    const more = JSON.parse((await say(routes.more, {})).body.toString()) as LabelState;
    expect(more.end).toBeUndefined();
    expect(more.question).toBeDefined();
  });

  test("that do not fit on the disk are not taken, and the page says why, until there is room", async () => {
    const { question, labelled } = await stateNow();
    const probe = await openFile(path.join(folder, "queries.json"));
    const spy = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, "write").mockRejectedValueOnce(Object.assign(new Error("write"), { code: "ENOSPC" }));
    await probe.close();
    const refused = await say(routes.answer, { key: question!.key, answer: "left" });
    expect([refused.status, refused.body.toString()]).toEqual([409, expect.stringContaining("the disk is full") as string]);
    spy.mockRestore();
    expect(await stateNow()).toMatchObject({ labelled, question, notice: expect.stringContaining("the disk is full") as string });
    expect((await say(routes.answer, { key: question!.key, answer: "left" })).status).toBe(200);
    const after = await stateNow();
    expect([after.labelled, after.notice]).toEqual([labelled + 1, undefined]);
    expect((await readPairFiles(folder)).pairs.filter(({ repeatOf }) => repeatOf === undefined)).toHaveLength(labelled + 1);
    await say(routes.undo, {});
  });

  test("another listener hears of everything, as a stream of events", async () => {
    const { hostname, port } = new URL(origin);
    const heard: LabelState[] = [];
    const sent = request({ hostname, port, path: routes.events, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        heard.splice(0, heard.length, ...[...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!) as LabelState));
      });
      response.on("error", () => undefined);
    });
    sent.on("error", () => undefined);
    sent.end();
    await expect.poll(() => heard.length).toBe(1);
    await say(routes.undo, {});
    await expect.poll(() => heard.at(-1)?.labelled).toBe(29);
    sent.destroy();
  });
});

describe("a second one is refused:", () => {
  test("on the same port, and the first goes on", async () => {
    const other = await mkdtemp(path.join(tmpdir(), "difftune-label-"));
    const second = await LabelSession.open(await optionsFor(other));
    await expect(LabelPage.serve(second, painter, Number(new URL(origin).port))).rejects.toMatchObject({ code: "OPTION", path: "port", message: expect.stringContaining("another program listens there") as string });
    await second.close();
    expect((await ask("/")).status).toBe(200);
    await (await LabelSession.open(await optionsFor(other))).close();
  });

  test("on the same labels", async () => {
    await expect(LabelSession.open(await optionsFor(folder))).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("in use by process") as string });
  });
});

describe("a session that cannot begin gives the folder back, unchanged:", () => {
  test.each<[name: string, more: Partial<LabelSessionOptions>, code: string]>([
    ["with other features", { pool: new Segments(dataset, { features: ["agentY"], feature: (states, row) => [states[5 * row + 1]!] }) }, "FORMAT"],
    ["with states that are gone", { pool: new Segments(twoRoutes(2), { features: ["agentX"], feature: (states, row) => [states[5 * row]! / 256 - 1] }) }, "FORMAT"],
    ["with more labels than the pool has pairs", { target: 100_000 }, "OPTION"],
  ])("%s", async (_, more, code) => {
    const place = await mkdtemp(path.join(tmpdir(), "difftune-label-"));
    const first = await LabelSession.open(await optionsFor(place, more.target === undefined ? {} : { target: 1 }));
    if (more.target === undefined) for (let answer = 0; answer < 12; answer++) await first.answer((await first.question())!.key, 0);
    await first.close();
    const before = await readFile(path.join(place, "pairs.jsonl"), "utf8");
    await rm(path.join(place, "queries.json"));
    await expect(LabelSession.open(await optionsFor(place, more))).rejects.toMatchObject({ code });
    expect(await readFile(path.join(place, "pairs.jsonl"), "utf8")).toBe(before);
    await (await LabelSession.open(await optionsFor(place))).close();
  });

  test("damaged questions of the last session are drawn again", async () => {
    const place = await mkdtemp(path.join(tmpdir(), "difftune-label-"));
    const first = await LabelSession.open(await optionsFor(place));
    const asked = await first.question();
    await first.close();
    for (const text of ["", "{}", '{"format":"difftune-queries","version":1,"pool":"x","round":0,"pairs":[[0,1]]}']) {
      await writeFile(path.join(place, "queries.json"), text);
      const again = await LabelSession.open(await optionsFor(place));
      expect(await again.question()).toEqual(asked);
      await again.close();
    }
  });
});

test("a reward that is right about held-out pairs ends the questions from 256 labels on, unless more are wanted", async () => {
  const place = await mkdtemp(path.join(tmpdir(), "difftune-label-"));
  // So many states that hardly any is shown twice: pairs that share one are never held out from each other.
  const wide = new Segments(twoRoutes(60), { features: ["agentX"], feature: (states, row) => [states[5 * row]! / 256 - 1] });
  const good = await LabelSession.open(await optionsFor(place, { pool: wide, target: 1000, training: { hidden: [16], epochs: 40, members: 1, rate: 0.02 } }));
  const answerOne = async (): Promise<void> => {
    const { key, left, right } = (await good.question())!;
    await good.answer(key, wide.statesOf(right)[0]! > wide.statesOf(left)[0]! ? 1 : 0);
  };
  while (good.progress.labelled < 255) await answerOne();
  expect(good.end).toBeUndefined();
  await expect.poll(() => good.reward.isTraining, { timeout: 20_000 }).toBe(false);
  good.train();
  expect(good.reward.failure).toBeUndefined();
  await expect.poll(() => good.reward.learned?.labels, { timeout: 20_000 }).toBe(255);
  expect(good.reward.learned!.validationAccuracy).toBeGreaterThanOrEqual(0.97);
  while (good.progress.labelled < 256) await answerOne();
  expect(good.end).toBe("accuracy");
  expect(await good.question()).toBeUndefined();
  good.goOn();
  await answerOne();
  expect([good.progress.labelled, good.end]).toEqual([257, undefined]);
  await good.close();
});

test.each(["disagreement", "entropy", "kcenter"] as const)("the rounds after the first are chosen by %s", async (strategy) => {
  const place = await mkdtemp(path.join(tmpdir(), "difftune-label-"));
  const chosen = await LabelSession.open(await optionsFor(place, { strategy, target: 300 }));
  const answerOne = async (): Promise<void> => {
    const { key, left, right } = (await chosen.question())!;
    await chosen.answer(key, pool.statesOf(right)[0]! > pool.statesOf(left)[0]! ? 1 : 0);
  };
  while (chosen.progress.labelled < 256) await answerOne();
  await chosen.close();
  const again = await LabelSession.open(await optionsFor(place, { strategy, target: 300 }));
  const question = (await again.question())!;
  await again.answer(question.key, 0);
  await again.close();
  const { pairs } = await readPairFiles(place);
  expect(pairs.at(-1)!.round).toBe(1);
  expect(JSON.parse(await readFile(path.join(place, "queries.json"), "utf8"))).toMatchObject({ round: 1, pairs: { length: 44 } });
});
