import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { engines } from "../kernels/harness.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** A user's program in a process of its own: makes a device, uses it, and does what `body` says. */
async function userProgram(engine: string, body: string): Promise<{ stdout: string; seconds: number }> {
  const source = `
    import { createDevice } from "difftune";
    const device = await createDevice({ engine: "${engine}" });
    const x = device.tensor([1000], { data: new Float32Array(1000).fill(3) });
    const sum = (await device.read(x)).reduce((a, b) => a + b, 0);
    if (sum !== 3000) process.exit(3);
    ${body}`;
  const started = performance.now();
  // Dawn itself says on the error stream that it reduced two limits; what a user pipes is standard output.
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", source], { cwd: root, timeout: 60_000 });
  return { stdout, seconds: (performance.now() - started) / 1000 };
}

test.each(engines)("a process with a device on %s ends by itself and prints nothing", async (engine) => {
  for (const body of ["", "device.close();"]) expect((await userProgram(engine, body)).stdout).toBe("");
});

test.each(engines)("a device on %s that waits for work uses no processor", async (engine) => {
  const { stdout } = await userProgram(engine, `
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(String((user + system) / 1e6));
    device.close();`);
  expect(Number(stdout)).toBeLessThan(0.1);
});
