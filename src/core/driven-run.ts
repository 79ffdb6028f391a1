import { DifftuneError } from "./errors.js";

/**
 * Work on a device that is driven by `for await` and may be asked for what it has come to between two events: asked twice, or while
 * the next event is on its way, it answers in turn. Leaving the loop, or aborting its signal, ends it whole; closing or
 * failing does not, and everybody who asks afterwards hears why.
 */
export abstract class DrivenRun<Event> implements AsyncIterable<Event> {
  readonly #events: AsyncGenerator<Event, void, undefined>;
  #hasEnded = false;
  #failure: Error | undefined;
  /** The last call: events and answers are given one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #result: string;

  /** @param result what the run makes, in a word */
  constructor(result: string) {
    this.#result = result;
    this.#events = this.#run();
  }

  /** The work, event by event. */
  protected abstract work(): AsyncGenerator<Event, void, undefined>;

  /** Brings what was learned so far to the host. */
  protected abstract rest(): Promise<void>;

  /** Frees the device. Twice is once. */
  protected abstract free(): void;

  [Symbol.asyncIterator](): AsyncIterator<Event, void, undefined> {
    return {
      next: () => this.#inTurn(() => this.#events.next()),
      return: () => this.#inTurn(async () => { await this.#end(); return this.#events.return(); }),
    };
  }

  /** Ends the run between two events. Twice is once. */
  close(): void {
    if (!this.#hasEnded) this.#failure ??= new DifftuneError("CANCELLED", "The training was closed.", { hint: `Take its ${this.#result} before.` });
    this.#free();
  }

  /** What `read` makes of a run that stands still and is whole. */
  protected ask<Result>(read: () => Result): Promise<Result> {
    return this.#inTurn(async () => {
      this.checkFailure();
      if (!this.#hasEnded) await this.rest();
      return read();
    });
  }

  /** Throws what the run failed by, or that it was closed. */
  protected checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async *#run(): AsyncGenerator<Event, void, undefined> {
    try {
      yield* this.work();
      await this.#end();
    } catch (error) {
      // What the signal stopped is whole; what was closed or has failed is not.
      const isWhole = this.#failure === undefined && error instanceof DifftuneError && error.code === "CANCELLED";
      if (isWhole) await this.#end();
      else if (error instanceof Error) this.#failure ??= error;
      throw this.#failure ?? error;
    } finally {
      this.#free();
    }
  }

  /** Brings what was learned to the host, then frees the device. */
  async #end(): Promise<void> {
    if (this.#hasEnded) return;
    this.checkFailure();
    await this.rest();
    this.#free();
  }

  #free(): void {
    this.#hasEnded = true;
    this.free();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
