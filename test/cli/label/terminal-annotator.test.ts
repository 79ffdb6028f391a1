import { spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import { beforeEach, describe, expect, test } from "vitest";
import { LabelSession, type LabelSessionOptions } from "../../../src/cli/label/label-session.js";
import { TerminalAnnotator } from "../../../src/cli/label/terminal-annotator.js";
import { statePainter } from "../../../src/cli/label/state-pictures.js";
import { readPairFiles } from "../../../src/cli/pair-files.js";
import { Dataset } from "../../../src/data/dataset.js";
import { Policy } from "../../../src/diffusion/policy.js";
import { Segments } from "../../../src/preference/segments.js";
import { expectBuilt } from "../../expect-built.js";
import { deviceFor } from "../../kernels/harness.js";
import { difftune } from "../run-difftune.js";
import { twoRoutes } from "./two-routes.js";

const dataset = twoRoutes(4);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "difftune-terminal-"));
});

async function open(more: Partial<LabelSessionOptions> = {}): Promise<LabelSession> {
  const pool = new Segments(dataset, { features: ["agentX"], feature: (states, row) => [states[5 * row]! / 256 - 1] });
  return LabelSession.open({ folder, pool, target: 30, strategy: "uniform", seed: 0, device: await deviceFor("wasm"), training: { hidden: [8], epochs: 2, members: 1 }, area: undefined, ...more });
}

/** Sends keys one after the other, as a terminal does; gives what was printed. */
async function press(session: LabelSession, keys: readonly string[], signal = new AbortController().signal): Promise<string[]> {
  const printed: string[] = [];
  async function* input(): AsyncGenerator<Buffer> {
    for (const key of keys) yield Buffer.from(key);
  }
  await new TerminalAnnotator(session, statePainter("pusht", session.pool.columns.states), { input: input(), print: (line) => printed.push(line) }).run(signal);
  return printed;
}

describe("labelling in a terminal", () => {
  test("takes one key for an answer, arrows as well as letters, and shows both states in one picture", async () => {
    const session = await open();
    const first = (await session.question())!;
    const printed = await press(session, ["a", "\u001b[C", "x", " ", "s", "\u001b[D", "D", "q", "a"]);
    expect(session.progress).toMatchObject({ labelled: 5, ties: 1, skipped: 1 });
    await session.close();
    const { pairs } = await readPairFiles(folder);
    const isSwapped = pairs[0]!.states0[0] !== session.pool.statesOf(first.left)[0];
    expect(pairs[0]!.label).toBe(isSwapped ? 1 : 0);
    expect(printed.filter((line) => line.includes("Which one is better?"))).toHaveLength(7);
    expect(printed.at(-1)).toContain(path.join(folder, "question.png"));
    const picture = PNG.sync.read(await readFile(path.join(folder, "question.png")));
    expect(picture.width).toBeGreaterThan(2 * picture.height * 0.8);
  });

  test("takes answers back, and says when there is nothing to take back", async () => {
    const session = await open();
    const printed = await press(session, ["u", "a", "d", "u"]);
    expect(session.progress.labelled).toBe(1);
    expect(printed).toContain("There is nothing to take back.");
    await session.close();
  });

  test("ends with the last label that is wanted, with the keys that come at once, and when it is interrupted", async () => {
    const session = await open({ target: 4 });
    await press(session, ["adad ad"]);
    expect([session.progress.labelled, session.end]).toEqual([4, "target"]);
    await session.close();
    const interruption = new AbortController();
    const other = await open({ target: 8 });
    interruption.abort();
    await press(other, ["a", "a"], interruption.signal);
    expect(other.progress.labelled).toBe(4);
    await other.close();
  });
});

describe("the command", () => {
  const words = (...more: string[]): string[] => ["label", "--engine", "wasm", "--out", path.join(folder, "labels"), ...more];

  test("labels from a data set without keys, and can be gone on with by its folder alone", async () => {
    await expectBuilt();
    const pool = path.join(folder, "pool.safetensors");
    await writeFile(pool, dataset.encode());
    const first = await difftune(words("--pool", pool, "--terminal"), { cwd: folder });
    expect(first).toMatchObject({ code: 0 });
    expect(first.output).toContain("0 of 1024");
    const second = await difftune(words("--terminal"), { cwd: folder });
    expect(second.code).toBe(0);
    expect((await readdir(path.join(folder, "labels"))).sort()).toEqual(["pairs.f32", "pairs.jsonl", "pool.safetensors", "queries.json", "question.png"]);
  });

  test("asks about the beginnings of a policy's episodes, and keeps them", async () => {
    await expectBuilt();
    const policy = Policy.create({
      observationNames: ["desiredX", "desiredY", "actualX", "actualY"], actionNames: ["incrementX", "incrementY"], horizon: 4,
      statistics: { observations: { min: [0, 0, 0, 0], max: [1, 1, 1, 1] }, actions: { min: [-0.01, -0.01], max: [0.01, 0.01] } },
      network: { kind: "diffusion-mlp", process: { denoisingSteps: 5 }, hidden: [16, 16, 16] },
    }, 0).withMetadata({ environment: "avoid", environmentOptions: '{"physics":"planar","maxSteps":40}' });
    await writeFile(path.join(folder, "policy.safetensors"), policy.encode());
    const { code } = await difftune(words("--policy", folder, "--terminal", "--episodes", "60", "--steps", "9", "--pairs", "20"), { cwd: folder });
    expect(code).toBe(0);
    const pool = Dataset.decode(await readFile(path.join(folder, "labels/pool.safetensors")));
    expect([pool.episodeCount, pool.stepCount, pool.source.environment]).toEqual([60, 540, "avoid"]);
    expect((await readPairFiles(path.join(folder, "labels"))).columns).toEqual({
      features: ["(desiredX - 0.5) / 0.3", "(desiredY - 0.1) / 0.4"], states: ["desiredX", "desiredY", "actualX", "actualY"],
    });
    // The policy may go: what is asked about stays.
    await rm(path.join(folder, "policy.safetensors"));
    expect((await difftune(words("--terminal"), { cwd: folder })).code).toBe(0);
  });

  test("takes keys from a pipe, and ends by a key although the pipe stays open", async () => {
    await expectBuilt();
    const pool = path.join(folder, "pool.safetensors");
    await writeFile(pool, dataset.encode());
    const child = spawn(process.execPath, [fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url)), ...words("--pool", pool, "--terminal")], { stdio: ["pipe", "ignore", "inherit"] });
    child.stdin.write("ad q");
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
    expect((await readPairFiles(path.join(folder, "labels"))).pairs).toHaveLength(3);
  });

  test("ends by an interruption like by itself", async () => {
    await expectBuilt();
    const pool = path.join(folder, "pool.safetensors");
    await writeFile(pool, dataset.encode());
    let isSent = false;
    const { code, output } = await difftune(words("--pool", pool, "--port", "0"), {
      cwd: folder,
      watch: (written, send) => {
        if (isSent || !written.includes("http:")) return;
        isSent = true;
        send("SIGINT");
      },
    });
    expect(code).toBe(0);
    expect(output).toContain("0 of 1024");
    expect(await readdir(path.join(folder, "labels"))).not.toContain("lock");
  });

  test.each([
    ["without states to ask about", [], 2, /--policy/],
    ["with a pool that is none", ["--pool", "junk"], 1, /junk cannot be used/],
    ["with a pool that is not there", ["--pool", "nowhere"], 1, /no such file/],
    ["with a feature that no state has", ["--pool", "pool", "--features", "agentZ"], 2, /agentZ/],
    ["with a hostile feature", ["--pool", "pool", "--features", "agentX.constructor"], 2, /expression|allowed|refused|may/i],
    ["with segments longer than the episodes", ["--pool", "pool", "--segment", "41"], 1, /0 segments of 41/],
    ["with a way of choosing that is none", ["--pool", "pool", "--query", "best"], 2, /uniform/],
    ["with a port that is none", ["--pool", "pool", "--port", "70000"], 2, /port/],
  ])("refuses to begin %s", async (_, more, code, message) => {
    await expectBuilt();
    await writeFile(path.join(folder, "pool"), dataset.encode());
    await writeFile(path.join(folder, "junk"), "no data set");
    const outcome = await difftune(words("--terminal", ...more), { cwd: folder });
    expect(outcome.errors).toMatch(message);
    expect(outcome.code).toBe(code);
    // Nothing is begun that cannot be gone on with.
    expect((await readdir(folder)).sort()).toEqual(["junk", "pool"]);
  });
});
