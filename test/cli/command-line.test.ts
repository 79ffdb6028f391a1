import { execFile } from "node:child_process";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
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

  test("quickstart tests the engine, learns every mode of the toy and draws it", async () => {
    const { code, output, errors, cwd } = await difftune("quickstart", "--engine", "wasm", "--out", "pictures");
    expect({ code, output, errors }).toMatchObject({ code: 0 });
    expect(output).toMatch(/^engine {5}WASM/m);
    expect(output).toMatch(/^modes {4}8 of 8 found$/m);
    expect(output).toMatch(/[\u2801-\u28ff]/);
    const picture = PNG.sync.read(await readFile(path.join(cwd, "pictures/mixture.png")));
    expect({ width: picture.width, height: picture.height }).toEqual({ width: 724, height: 376 });
  });

  test("Dawn's warnings stay out of the error stream", async () => {
    const { code, errors } = await difftune("quickstart", "--steps", "1");
    expect(code).toBe(1);
    expect(errors.split("\n").filter((line) => line !== "" && !/^(self-test on|training:) /.test(line))).toEqual([]);
  });

  test("quickstart refuses a count that is none", async () => {
    const { code, errors } = await difftune("quickstart", "--steps", "many");
    expect({ code, errors }).toEqual({ code: 2, errors: 'difftune: quickstart: option "steps" is "many". It must be a whole number from 1 to 1000000.\n' });
  });

  test("doctor prints a table for people", async () => {
    const { code, output } = await difftune("doctor");
    expect(code).toBe(0);
    expect(output).toMatch(/^nn\/activation +passed/m);
    expect(output).toMatch(/^difftune {3}\d+\.\d+\.\d+$/m);
    expect(output).toMatch(/^WebGPU {5}\S/m);
  });
});
