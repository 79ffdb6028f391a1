import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { expectBuilt } from "../expect-built.js";
import { engines } from "../kernels/harness.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Dawn's own words on the error stream, about limits of software adapters. */
const dawnNoise = /^Warning: max\w+ artificially reduced from.*\n/gm;

/** A program of a user's: it runs a kernel, idles for a second, and closes nothing unless told to. */
const source = (engine: string, ending: string): string => `
  import { createDevice } from "difftune";
  import { kernels } from "difftune/kernels";
  const device = await createDevice({ engine: "${engine}" });
  const spec = kernels.find(({ name }) => name === "nn/activation");
  const x = device.tensor([64, 64], { data: new Float32Array(4096).fill(-2) });
  const y = device.tensor([64, 64]);
  const program = await device.program("relu", (recorder) => {
    recorder.launch(spec, { rows: 64, columns: 64, kind: 1 }, { x, y });
  });
  for (let i = 0; i < 200; i++) program.run();
  const sum = (await device.read(y)).reduce((total, value) => total + value, 0);
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ sum, idleSeconds: (user + system) / 1e6 }));
  ${ending}
`;

describe.each(engines)("a process that uses %s", (engine) => {
  beforeAll(expectBuilt);

  test.each([["without closing the device", ""], ["after closing it", "device.close();"]])("prints nothing, rests when idle and ends by itself, %s", async (_, ending) => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--eval", source(engine, ending)],
      { cwd: root, timeout: 30_000 },
    );
    const { sum, idleSeconds } = JSON.parse(stdout) as { sum: number; idleSeconds: number };
    expect(sum).toBe(0);
    expect(idleSeconds).toBeLessThan(0.1);
    expect(stderr.replace(dawnNoise, "")).toBe("");
  });
});
