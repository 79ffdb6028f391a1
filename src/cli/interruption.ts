import { exitCodes } from "./command.js";
import { DifftuneError } from "../core/errors.js";
import { isQuietChild, type ChildMessage, type ParentMessage } from "./quiet-child.js";

/**
 * Ctrl-C while a command works: the first aborts {@link signal}, so that the command saves what it has; a second one ends the
 * process at once. SIGTERM counts alike.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #notify: () => void;

  /** @param notify called at the first interruption, to tell the user what happens now */
  constructor(notify: () => void = () => undefined) {
    this.#notify = notify;
    if (isQuietChild()) {
      // A terminal interrupts parent and child, `kill` only the one it names: the parent's word counts, once.
      process.on("SIGINT", ignore).on("message", this.#onMessage).on("disconnect", this.#stop);
      process.channel?.unref();
      process.send?.({ catches: true } satisfies ChildMessage);
    } else {
      process.on("SIGINT", this.#stop);
    }
    process.on("SIGTERM", this.#stop);
  }

  /** Aborted by the first interruption. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether an error is only the echo of the interruption. */
  isEcho(error: unknown): boolean {
    return this.signal.aborted && error instanceof DifftuneError && error.code === "CANCELLED";
  }

  readonly #stop = (): void => {
    if (this.signal.aborted) process.exit(exitCodes.interrupted);
    this.#controller.abort();
    this.#notify();
  };

  readonly #onMessage = (message: unknown): void => {
    if ((message as ParentMessage).stop) this.#stop();
  };

  /** Gives the signals back. */
  [Symbol.dispose](): void {
    process.off("SIGINT", ignore).off("SIGINT", this.#stop).off("SIGTERM", this.#stop);
    process.off("message", this.#onMessage).off("disconnect", this.#stop);
  }
}

function ignore(): void {
  // The parent tells.
}
