import { DifftuneError, invariant } from "../core/errors.js";
import type { LinearMemory } from "../core/linear-memory.js";
import { physics } from "../generated/physics-wasm.js";

type NumberFunction = (...numbers: number[]) => number;

let compiled: Promise<WebAssembly.Module> | undefined;

/** The physics, compiled once a process. */
function compile(): Promise<WebAssembly.Module> {
  compiled ??= WebAssembly.compile(Uint8Array.from(atob(physics), (letter) => letter.charCodeAt(0)));
  return compiled;
}

/** The physics module over one memory: its functions and constants by name, so that no number is repeated here. */
export class Physics {
  readonly module: WebAssembly.Module;
  readonly #exports: WebAssembly.Exports;

  private constructor(module: WebAssembly.Module, exports: WebAssembly.Exports) {
    this.module = module;
    this.#exports = exports;
  }

  static async open(memory: LinearMemory): Promise<Physics> {
    try {
      const module = await compile();
      const instance = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
      return new Physics(module, instance.exports);
    } catch (cause) {
      throw new DifftuneError("ENVIRONMENT", "The physics module could not be started.", {
        hint: "It needs WebAssembly with SIMD and threads, and a content policy with 'wasm-unsafe-eval'.",
        cause,
      });
    }
  }

  call(name: string): NumberFunction {
    const found = this.#exports[name];
    invariant(typeof found === "function", `the physics module has no function ${name}`);
    return found as NumberFunction;
  }

  constant(name: string): number {
    const found = this.#exports[name];
    invariant(found instanceof WebAssembly.Global && typeof found.value === "number", `the physics module has no constant ${name}`);
    return found.value;
  }
}
