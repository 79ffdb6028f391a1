import { isWatched } from "./quiet-child.js";
import { printError } from "./terminal.js";

/** One line on the error stream that is written over in a terminal, and now and then a line of its own elsewhere. */
export class ProgressLine {
  readonly #isTerminal = isWatched();
  readonly #everyMs: number;
  #last = Number.NEGATIVE_INFINITY;

  /** @param everyMs least time between two lines where no terminal reads */
  constructor(everyMs = 2000) {
    this.#everyMs = everyMs;
  }

  /** Shows the newest state. */
  show(text: string): void {
    const now = performance.now();
    if (this.#isTerminal) {
      process.stderr.write(`\r${text}\u001b[K`);
    } else if (now - this.#last >= this.#everyMs) {
      printError(text);
      this.#last = now;
    }
  }

  /** Shows the last state and moves on to the next line. */
  end(text: string): void {
    if (this.#isTerminal) process.stderr.write(`\r${text}\u001b[K\n`);
    else printError(text);
  }
}
