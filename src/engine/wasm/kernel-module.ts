import { DifftuneError } from "../../core/errors.js";
import { operators, plainSimd, relaxedSimd } from "../../generated/kernels-wasm.js";

/** The two builds of one source. */
export type SimdBuild = "plain" | "relaxed";

const codes = new Map(operators.map((name, code) => [name, code]));

/** Op code of a kernel in the program runner. */
export function operatorCode(name: string): number {
  const code = codes.get(name);
  if (code === undefined) {
    throw new DifftuneError("KERNEL_COMPILE", `The WASM engine has no kernel "${name}".`, { kernel: name });
  }
  return code;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

const compiled = new Map<SimdBuild, Promise<WebAssembly.Module>>();

function compile(build: SimdBuild): Promise<WebAssembly.Module> {
  let module = compiled.get(build);
  if (module === undefined) {
    // Compiled without blocking, and once a process: a module is immutable code that instances share.
    module = WebAssembly.compile(bytesOf(build === "plain" ? plainSimd : relaxedSimd)).catch((cause: unknown) => {
      compiled.delete(build);
      throw new DifftuneError("KERNEL_COMPILE", `This host does not compile the ${build} SIMD build.`, {
        hint: build === "relaxed" ? "Ask for simd: \"plain\"." : "It needs WebAssembly with SIMD and threads.",
        cause,
      });
    });
    compiled.set(build, module);
  }
  return module;
}

/** Compiles the build asked for; `auto` is relaxed where the host validates it. */
export async function loadKernels(simd: "auto" | SimdBuild): Promise<{ module: WebAssembly.Module; build: SimdBuild }> {
  const build = simd === "auto" ? (WebAssembly.validate(bytesOf(relaxedSimd)) ? "relaxed" : "plain") : simd;
  return { module: await compile(build), build };
}
