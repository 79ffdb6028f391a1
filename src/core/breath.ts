/** Longest work between two breaths, milliseconds. */
const longestMs = 50;

/**
 * Lets the event loop run now and then during long synchronous work, so that signals, timers and a page's drawing are
 * served.
 *
 * @example
 * const breath = new Breath();
 * for (const part of parts) { work(part); await breath.take(); }
 */
export class Breath {
  #last = performance.now();

  /** Whether it is time: for work that must be settled before others are let in. */
  get isDue(): boolean {
    return performance.now() - this.#last >= longestMs;
  }

  /** Gives way if it is time. */
  async take(): Promise<void> {
    if (!this.isDue) return;
    await new Promise((resolve) => { setTimeout(resolve, 0); });
    this.#last = performance.now();
  }
}
