import * as host from "#host";
import { DifftuneError } from "../core/errors.js";
import type { LinearMemory } from "../core/linear-memory.js";
import type { HostWorker } from "./host-worker.js";

/** Byte offsets inside the control block; the same list stands in assembly/lib/team.ts. */
const controlBytes = 512;
const finishedOffset = 64;
const sleepersOffset = 256;
const stopOffset = 320;
const failedOffset = 324;
const generationOffset = 0;
const threadsOffset = 448;

/** How often a waiting page looks whether a worker has died. */
const failureCheckMs = 100;

/**
 * What a worker does: instantiate, report, live in the module's loop. A trap raises the failed word, so that nobody waits
 * for this thread, and reaches `onFailure`. A page's worker would live on after its loop, hence the close.
 */
const workerSource = `
const instance = new WebAssembly.Instance(workerData.module, { env: { memory: workerData.memory } });
report("ready");
try {
  instance.exports.workerLoop(workerData.control, workerData.thread);
} catch (error) {
  Atomics.store(new Int32Array(workerData.memory.buffer), (workerData.control + ${failedOffset}) / 4, 1);
  throw error;
}
if (typeof close === "function") close();
`;

/** The exports that a module needs to be run by a {@link ThreadTeam}. */
export interface TeamExports {
  /** Runs a job on the caller's thread and the workers; blocks. */
  run(job: number): void;
  /** Starts a job on the workers only. */
  start(control: number, job: number): void;
}

/** Options of {@link ThreadTeam.create}. */
export interface ThreadTeamOptions {
  /** Threads that compute, the caller's included where it may block. Default: all cores. */
  readonly threads?: number;
}

/**
 * Threads that run the jobs of one WASM module over one shared memory. Where the caller may block (Node, workers) its
 * own thread computes too and {@link run} returns when all are done; in a page's main thread all threads are workers
 * and `run` returns a promise.
 */
export class ThreadTeam {
  /** Pointer of the control block, which jobs carry so that their barriers find it. */
  readonly control: number;
  readonly threads: number;
  readonly #memory: LinearMemory;
  readonly #exports: TeamExports;
  readonly #workers: readonly HostWorker[];
  readonly #callerComputes: boolean;
  #failure: DifftuneError | undefined;
  #closed = false;

  private constructor(
    memory: LinearMemory,
    exports: TeamExports,
    control: number,
    threads: number,
    workers: readonly HostWorker[],
  ) {
    this.control = control;
    this.threads = threads;
    this.#memory = memory;
    this.#exports = exports;
    this.#workers = workers;
    this.#callerComputes = host.mayBlock() || threads === 1;
    for (const worker of workers) {
      worker.onFailure((cause) => {
        this.#fail(cause);
      });
    }
  }

  /** Starts the workers of `module`; `exports` is the caller's own instance of it. */
  static async create(
    memory: LinearMemory,
    module: WebAssembly.Module,
    exports: TeamExports,
    options: ThreadTeamOptions = {},
  ): Promise<ThreadTeam> {
    const threads = options.threads ?? host.coreCount();
    if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
      throw new DifftuneError("OPTION", "threads must be a whole number from 1 to 256.", { got: options.threads });
    }
    const control = memory.allocate(controlBytes);
    memory.u32(control + threadsOffset, 1)[0] = threads;
    const first = host.mayBlock() ? 1 : 0;
    const workers: HostWorker[] = [];
    try {
      // A page that is not isolated refuses at once to hand memory to a worker.
      for (let thread = first; threads > 1 && thread < threads; thread++) {
        workers.push(host.startWorker(workerSource, { module, memory: memory.memory, control, thread }));
      }
      await Promise.all(workers.map((worker) => worker.ready));
    } catch (cause) {
      for (const worker of workers) worker.terminate();
      memory.free(control);
      throw new DifftuneError("OPTION", `Could not start the workers of ${threads} threads.`, {
        hint: "Pages need the headers COOP and COEP and a policy that allows blob: workers; threads: 1 works everywhere.",
        cause,
      });
    }
    return new ThreadTeam(memory, exports, control, threads, workers);
  }

  /** Runs a job. Returns nothing when it is done already, a promise where the caller may not block. */
  run(job: number): Promise<void> | undefined {
    if (this.#closed) throw new DifftuneError("DEVICE_CLOSED", "These threads were closed.");
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#callerComputes) {
      try {
        this.#exports.run(job);
      } catch (cause) {
        throw this.#fail(cause);
      }
      if (this.#workers.length > 0 && this.#hasFailed()) throw this.#fail(undefined);
      return undefined;
    }
    this.#exports.start(this.control, job);
    return this.#finished();
  }

  /** Ends the workers. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const words = this.#memory.i32(this.control, controlBytes / 4);
    Atomics.store(words, stopOffset / 4, 1);
    Atomics.add(words, generationOffset / 4, 1);
    Atomics.notify(words, generationOffset / 4);
    // The control block is not freed: a worker may still be reading it on its way out.
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #hasFailed(): boolean {
    return Atomics.load(this.#memory.i32(this.control + failedOffset, 1), 0) !== 0;
  }

  /** A share trapped: the others may be inside a barrier and never come out, so all workers are ended. */
  #fail(cause: unknown): DifftuneError {
    for (const worker of this.#workers) worker.terminate();
    this.#failure ??= new DifftuneError("DEVICE_LOST", "A thread trapped inside a kernel or an environment.", {
      hint: "Close this object and create a new one; please report what it was doing.",
      cause,
    });
    return this.#failure;
  }

  async #finished(): Promise<void> {
    const words = this.#memory.i32(this.control, controlBytes / 4);
    const at = finishedOffset / 4;
    for (;;) {
      const finished = Atomics.load(words, at);
      if (finished === this.#workers.length) return;
      if (this.#failure !== undefined || this.#hasFailed()) throw this.#failure ?? this.#fail(undefined);
      // Announced as a sleeper first, like every waiter of assembly/lib/team.ts: workers wake only sleepers they know of.
      Atomics.add(words, sleepersOffset / 4, 1);
      const wait = Atomics.waitAsync(words, at, finished, failureCheckMs);
      if (wait.async) await wait.value;
      Atomics.sub(words, sleepersOffset / 4, 1);
    }
  }
}
