import { execFile } from "node:child_process";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { expectBuilt } from "../expect-built.js";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
  /** The folder that it ran in. */
  readonly cwd: string;
}

/** Runs the built command line in a folder that is not the package's. */
async function difftune(...words: readonly string[]): Promise<Outcome> {
  const cwd = await mkdtemp(path.join(tmpdir(), "difftune-cli-"));
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { cwd, timeout: 110_000 }, (error, output, errors) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, output, errors, cwd });
    });
  });
}

describe("the command line", () => {
  beforeAll(expectBuilt);

  test("says its version", async () => {
    expect(await difftune("--version")).toMatchObject({ code: 0, output: `${manifest.version}\n`, errors: "" });
  });

  test("without a command shows the usage and ends as a usage error; asked for help it ends well", async () => {
    const bare = await difftune();
    const asked = await difftune("--help");
    expect(bare.code).toBe(2);
    expect(asked.code).toBe(0);
    expect(asked.output).toBe(bare.output);
    expect(asked.output).toContain("doctor");
  });

  test("writes no colours where no terminal reads", async () => {
    // eslint-disable-next-line no-control-regex -- looks for the control character itself
    expect((await difftune("--help")).output).not.toMatch(/\u001b/);
  });

  test.each([
    [["docter"], 'There is no command "docter". Did you mean "doctor"?'],
    [["doctor", "--jsno"], 'There is no option "--jsno". Did you mean "--json"?'],
    [["doctor", "now"], '"doctor" takes no word "now".'],
  ])("refuses %j with a hint, on the error stream", async (words, message) => {
    const { code, output, errors } = await difftune(...words);
    expect({ code, output, errors }).toEqual({ code: 2, output: "", errors: `difftune: ${message}\n` });
  });

  test("doctor prints one JSON object for programs", async () => {
    const { code, output, errors } = await difftune("doctor", "--json");
    expect(code).toBe(0);
    // Progress, and nothing of Dawn's.
    expect(errors.split("\n").filter((line) => line !== "" && !line.startsWith("self-test on "))).toEqual([]);
    expect(JSON.parse(output)).toMatchObject({ difftune: manifest.version, node: process.versions.node, engines: { wasm: { info: { engine: "wasm" } } } });
  });

  test("quickstart does the whole job and says how well; too little of it counts as failed", { timeout: 120_000 }, async () => {
    const { code, output, errors, cwd } = await difftune("quickstart", "--engine", "wasm", "--out", "runs", "--epochs", "2", "--demonstrations", "2", "--iterations", "2");
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(output).toMatch(/^engine {2}WASM/m);
    for (const command of ["demos", "pretrain", "finetune", "report"]) expect(output).toMatch(new RegExp(`^\\$ difftune ${command} `, "m"));
    expect(output).toMatch(/^after {4}success .* return -?\d/m);
    expect(await readFile(path.join(cwd, "runs/finetuned/report.html"), "utf8")).toContain("<svg");
    // Dawn's warnings stay out of the error stream.
    expect(errors).not.toContain("artificially");
  });

  test("quickstart refuses a count that is none", async () => {
    const { code, errors } = await difftune("quickstart", "--epochs", "many");
    expect({ code, errors }).toEqual({ code: 2, errors: 'difftune: quickstart: option "epochs" is "many". It must be a whole number from 1 to 1000000.\n' });
  });

  test("doctor prints a table for people", async () => {
    const { code, output } = await difftune("doctor");
    expect(code).toBe(0);
    expect(output).toMatch(/^nn\/activation +passed/m);
    expect(output).toMatch(/^difftune {3}\d+\.\d+\.\d+$/m);
    expect(output).toMatch(/^WebGPU {5}\S/m);
  });
});
