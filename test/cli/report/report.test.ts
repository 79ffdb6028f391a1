import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeReport } from "../../../src/cli/report-command.js";
import { report } from "../../../src/cli/report/report.js";
import { summariseRun, type RunSummary } from "../../../src/cli/report/run-summary.js";
import { browserMissing, openPage, type OpenPage } from "../../browser/open-page.js";
import { expectBuilt } from "../../expect-built.js";
import { difftune, jsonLines } from "../run-difftune.js";
import { madePretraining, madeRun } from "./made-runs.js";

const one = [summariseRun(madeRun())];
const several = [3, 10, 15].flatMap((tunedSteps) => [0, 1, 2].map((seed) => summariseRun(madeRun({ seed, name: `k${tunedSteps}-s${seed}`, options: { tunedSteps }, end: 0.6 + 0.025 * tunedSteps }))));
const hostile = `"><img src=x onerror=alert(1)><script>alert('1')</script>`;

function sections(page: string): string[] {
  return [...page.matchAll(/<h2 id="([a-z]+)-name">/g)].map(([, id]) => id!);
}

describe("the report", () => {
  test("of one run has all its parts, each with its figures", () => {
    const page = report(one);
    expect(sections(page)).toEqual(["result", "behaviour", "learning", "time", "settings", "reproduce"]);
    for (const id of ["success", "return", "trajectories-before", "trajectories-after", "modes", "chain", "learning-approxKl", "learning-explainedVariance", "learning-rate", "phases"]) {
      expect(page).toContain(`aria-labelledby="${id}-title ${id}-text"`);
    }
    expect(page).toContain("<h1>DPPO on avoid</h1>");
    expect(page).toContain("difftune finetune pretrained.safetensors --env avoid --tuned-steps 10 --seed 0 --out runs/m1</code>");
    expect(page).toContain("WASM relaxed SIMD, 2 threads");
    expect(page).toContain("2026-11-20 13:00 UTC");
  });

  test("tells the numbers that its data have", () => {
    const page = report(one);
    // 190 of 200 at the end: Wilson's interval is 0.910 to 0.973.
    expect(page).toContain("<dt>Success</dt><dd>95\u00a0%<span>91\u00a0% to 97\u00a0% (95\u00a0% interval)<br>before: 48\u00a0%</span>");
    expect(page).toContain('<dt>Environment steps</dt><dd>255,000<span>51 iterations</span>');
    expect(page).toContain(`<tr><th scope="row">collision</th><td>42 <small>21\u00a0%</small></td><td>4 <small>2\u00a0%</small></td></tr>`);
    expect(page).toContain('<th scope="row">The rod touched the cylinder of level 3, near the robot.</th><td>after</td><td>4</td>');
  });

  test("of several experiments puts them side by side, and shows what sets them apart", () => {
    const page = report(several);
    expect(page.match(/<tr><th scope="row">tunedSteps \d+<\/th><td>3<\/td>/g)).toHaveLength(3);
    expect(page).toContain("Settings that differ");
    expect(page).toContain("9 runs · 3 experiments · seeds 0, 1, 2");
    for (const index of [1, 2, 3]) expect(page).toContain(`trajectories-after-${index}-title`);
  });

  test("of a pre-training has its losses and asks for nothing more", () => {
    const page = report([summariseRun(madePretraining())]);
    expect(sections(page)).toEqual(["result", "cloning", "settings", "reproduce"]);
    expect(page).toContain("validation, averaged");
    expect(page).toContain("<dt>Time</dt><dd>20.0 s</dd>");
  });

  test("of an empty run, and of none, says what is missing", () => {
    const page = report([summariseRun({ name: "empty", evaluations: {} })]);
    expect(sections(page)).toEqual(["gaps"]);
    expect(page).toContain("<li><b>empty</b> metrics.jsonl is missing.</li>");
    expect(report([])).toContain("<h1>No runs</h1>");
  });

  test("of a run that goes on shows what there is, with the success of the last iteration", () => {
    const whole = madeRun({ iterations: 7 });
    const lines = whole.metrics!.split("\n").slice(0, 6).join("\n");
    const page = report([summariseRun({ ...whole, metrics: `${lines}\n{"event":"it`, evaluations: {} })]);
    expect(page).toContain("last iteration, exploring");
    expect(page).toContain("There is no evaluation after the run.");
    expect(page).toContain("is torn");
  });

  test("is one file of less than 1 MB that asks for nothing from elsewhere and runs nothing", () => {
    for (const page of [report(one), report(several)]) {
      expect(page.length).toBeLessThan(1_000_000);
      expect(page).not.toMatch(/<script|<link(?! rel="icon" href="data:,">)|<img|@import|url\(|\son\w+=/);
      expect(page.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|src=/);
    }
    expect(report(one).length).toBeLessThan(250_000);
  });

  test("has no id twice and refers to none that is not there", () => {
    const page = report(several);
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);
    expect(ids).toEqual([...new Set(ids)]);
    const references = [...page.matchAll(/ (?:aria-labelledby="|href="#)([^"]*)"/g)].flatMap(([, found]) => found!.split(" "));
    expect(references.filter((id) => !ids.includes(id))).toEqual([]);
  });

  test("lets no text of a run become markup", () => {
    const texts = madeRun({ name: hostile, method: hostile, options: { [hostile]: hostile } });
    const evil = (text: string): string => text.replaceAll("collision", JSON.stringify(hostile).slice(1, -1)).replaceAll("m6", JSON.stringify(hostile).slice(1, -1));
    const evaluations = Object.fromEntries(Object.entries(texts.evaluations).map(([key, text]) => [key, evil(text)]));
    const run = { ...JSON.parse(texts.run!) as object, environment: hostile, command: hostile, startedAt: hostile, difftune: hostile, engine: { engine: hostile, description: hostile } };
    const summary = summariseRun({ ...texts, run: JSON.stringify(run), evaluations });
    for (const page of [report([summary]), report([summary, ...one])]) {
      expect(page).toContain("&#60;img src=x");
      expect(page).not.toMatch(/<img|<script/);
    }
  });

  test("has a chart for whatever else an algorithm logs, where it changes", () => {
    const [run] = one as [RunSummary];
    const iterations = run.iterations.map((row, index) => ({ ...row, values: { ...row.values, qLoss: index, temperature: 1 } }));
    const page = report([{ ...run, iterations }]);
    expect(page).toContain('<title id="learning-qLoss-title">Q loss</title>');
    expect(page).not.toContain("temperature");
  });

  test("holds no number that is none, whatever is missing", () => {
    const strip = ({ values }: { readonly values: Readonly<Record<string, number>> }, names: readonly string[]): Record<string, number> => Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));
    const [run] = one as [RunSummary];
    for (const missing of [["success"], ["envSteps"], ["iteration"], ["iterationSeconds", "seconds.update"], ["rate", "criticRate"], ["episodes", "return"]]) {
      const rows = run.iterations.map((row) => ({ ...row, values: strip(row, missing) }));
      expect(report([{ ...run, iterations: rows, evaluations: [] }]), missing.join()).not.toMatch(/NaN|undefined|Infinity/);
    }
  });
});

describe("difftune report", () => {
  const home = (): Promise<string> => mkdtemp(path.join(tmpdir(), "difftune-report-"));

  async function writeRuns(folder: string, count: number): Promise<void> {
    for (let seed = 0; seed < count; seed++) {
      const { run, metrics, evaluations } = madeRun({ seed, iterations: 4 });
      const place = path.join(folder, `seed${seed}`);
      await mkdir(path.join(place, "evaluations"), { recursive: true });
      await writeFile(path.join(place, "run.json"), run!);
      await writeFile(path.join(place, "metrics.jsonl"), metrics!);
      for (const [name, text] of Object.entries(evaluations)) await writeFile(path.join(place, "evaluations", `${name}.json`), text);
    }
  }

  test("writes the page of one run into its folder", async () => {
    const folder = await home();
    await writeRuns(folder, 1);
    const written = await writeReport([path.join(folder, "seed0")]);
    expect(written).toEqual({ file: path.join(folder, "seed0", "report.html"), runs: 1, experiments: 1, figures: [], missing: [] });
    expect(await readFile(written.file, "utf8")).toContain("<h1>DPPO on avoid</h1>");
  });

  test("writes figures as files of their own", async () => {
    const folder = await home();
    await writeRuns(folder, 2);
    const { figures } = await writeReport([folder], { out: path.join(folder, "new", "page.html"), figures: path.join(folder, "figures") });
    expect((await readdir(path.join(folder, "figures"))).sort()).toEqual(figures.map((file) => path.basename(file)).sort());
    expect(await readFile(path.join(folder, "figures", "success.svg"), "utf8")).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg".*<\/svg>\n$/s);
  });

  describe("on the command line", () => {
    beforeAll(expectBuilt);

    test("puts the runs of a folder side by side here, and says what it wrote", async () => {
      const cwd = await home();
      await writeRuns(path.join(cwd, "runs"), 2);
      const { code, output, errors } = await difftune(["report", "runs"], { cwd });
      expect({ code, output, errors }).toEqual({ code: 0, output: "report  report.html\nruns    2 in 1 experiment\n", errors: "" });
      const json = await difftune(["report", "runs/seed0", "runs/seed1", "--json"], { cwd });
      expect(jsonLines(json.output)).toEqual([{ event: "report", file: "report.html", runs: 2, experiments: 1, figures: [], missing: [] }]);
    });

    test("refuses what is no run", async () => {
      const cwd = await home();
      expect(await difftune(["report", "nowhere"], { cwd })).toEqual({
        code: 2, output: "", errors: "difftune: There is no folder nowhere. A run is a folder with run.json or metrics.jsonl, such as finetune and pretrain make.\n",
      });
      expect(await difftune(["report"], { cwd })).toMatchObject({ code: 2, errors: expect.stringContaining("runs") as string });
    });
  });
});

/** What is wrong with the texts of the charts of the open page: cut off by their frame, or over one another. */
function textFaults(): string[] {
  const faults: string[] = [];
  for (const svg of document.querySelectorAll("svg.chart")) {
    const frame = svg.getBoundingClientRect();
    const name = svg.querySelector("title")?.textContent ?? "";
    const texts = [...svg.querySelectorAll("text")].map((text) => ({ words: text.textContent, box: text.getBoundingClientRect() }));
    for (const [index, { words, box }] of texts.entries()) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) faults.push(`${name}: "${words}" is cut off`);
      for (const other of texts.slice(index + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        // Boxes of lines are taller than their letters.
        if (across > 1 && down > 0.35 * box.height) faults.push(`${name}: "${words}" and "${other.words}" overlap`);
      }
    }
  }
  return faults;
}

describe.skipIf(browserMissing !== undefined)(`the report in a browser (${browserMissing ?? "headless Chromium"})`, () => {
  let opened: OpenPage;
  let folder: string;
  const requests: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "difftune-report-"));
    const pages = { one, several, cloning: [summariseRun(madePretraining())], empty: [summariseRun({ name: "empty", evaluations: {} })] };
    for (const [name, runs] of Object.entries(pages)) await writeFile(path.join(folder, `${name}.html`), report(runs));
    await writeReportFigures();
    opened = await openPage("test/browser/page-entry.ts", { webgpu: false });
    opened.page.on("request", (request) => requests.push(request.url()));
  });
  afterAll(() => opened.close());

  async function writeReportFigures(): Promise<void> {
    const { run, metrics, evaluations } = madeRun();
    const place = path.join(folder, "run");
    await mkdir(path.join(place, "evaluations"), { recursive: true });
    await writeFile(path.join(place, "run.json"), run!);
    await writeFile(path.join(place, "metrics.jsonl"), metrics!);
    for (const [name, text] of Object.entries(evaluations)) await writeFile(path.join(place, "evaluations", `${name}.json`), text);
    await writeReport([place], { figures: path.join(folder, "figures") });
  }

  async function open(file: string, width = 1280, colorScheme: "light" | "dark" = "light"): Promise<void> {
    await opened.page.setViewportSize({ width, height: 800 });
    await opened.page.emulateMedia({ colorScheme });
    await opened.page.goto(pathToFileURL(path.join(folder, file)).href);
  }

  test.each(["one", "several", "cloning", "empty"])("%s: no message, no request, no label cut off or over another, on a desk and on a phone", async (name) => {
    for (const width of [1280, 360]) {
      requests.length = 0;
      await open(`${name}.html`, width);
      expect(await opened.page.evaluate(textFaults), `at ${width} px`).toEqual([]);
      expect(await opened.page.evaluate(() => document.documentElement.scrollWidth), "nothing reaches beyond the page").toBe(width);
      expect(requests.filter((url) => !url.startsWith("data:"))).toEqual([pathToFileURL(path.join(folder, `${name}.html`)).href]);
    }
    expect(opened.messages).toEqual([]);
  });

  test("is dark where its reader is, but never on paper", async () => {
    const colours = (): Promise<string[]> => opened.page.evaluate(() => {
      const text = document.querySelector("#success-title")?.parentElement?.querySelector("text.f-ink");
      return [getComputedStyle(document.body).backgroundColor, text === null || text === undefined ? "" : getComputedStyle(text).fill];
    });
    await open("one.html");
    expect(await colours()).toEqual(["rgb(241, 243, 246)", "rgb(27, 34, 44)"]);
    await open("one.html", 1280, "dark");
    expect(await colours()).toEqual(["rgb(13, 17, 23)", "rgb(232, 235, 239)"]);
    await opened.page.emulateMedia({ media: "print", colorScheme: "dark" });
    expect(await colours()).toEqual(["rgb(255, 255, 255)", "rgb(27, 34, 44)"]);
    await opened.page.emulateMedia({ media: "screen" });
  });

  test("its figures are files that a browser reads as XML", async () => {
    for (const file of await readdir(path.join(folder, "figures"))) {
      const text = await readFile(path.join(folder, "figures", file), "utf8");
      const fault = await opened.page.evaluate((source) => new DOMParser().parseFromString(source, "image/svg+xml").querySelector("parsererror")?.textContent ?? "", text);
      expect(fault, file).toBe("");
    }
  });
});
