import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** One AssemblyScript file compiled alone, so that a test can call what the physics module keeps to itself. */
export interface CompiledFile {
  readonly memory: WebAssembly.Memory;
  call(name: string, ...values: readonly number[]): number;
  /** The value of an exported variable now. */
  read(name: string): number;
}

/** Compiles `assembly/<file>` with the options of the build. Static data lies below 65,536 bytes; the rest is the test's. */
export async function compileFile(file: string): Promise<CompiledFile> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "difftune-"));
  try {
    const output = path.join(folder, "module.wasm");
    await promisify(execFile)(process.execPath, [
      path.join(root, "node_modules/assemblyscript/bin/asc.js"), path.join("assembly", file), "--outFile", output,
      "--runtime", "stub", "--importMemory", "--sharedMemory", "--initialMemory", "2", "--maximumMemory", "2",
      "-O3", "--noAssert", "--uncheckedBehavior", "always", "--use", "abort=", "--enable", "simd", "--enable", "threads",
    ], { cwd: root });
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
    const { instance } = await WebAssembly.instantiate(await readFile(output), { env: { memory } });
    return {
      memory,
      call: (name, ...values) => {
        const exported = instance.exports[name];
        if (typeof exported !== "function") throw new RangeError(`${file} exports no function ${name}`);
        return Number((exported as (...numbers: readonly number[]) => unknown)(...values));
      },
      read: (name) => {
        const exported = instance.exports[name];
        if (!(exported instanceof WebAssembly.Global)) throw new RangeError(`${file} exports no variable ${name}`);
        return Number(exported.value);
      },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
