import { encodeRecord, type RunRecord } from "../io/run-log.js";
import { ProgressLine } from "./progress.js";
import { formatPairs, printError, printLine } from "./terminal.js";

/** What a command says while it works: to a program one JSON object a line, to a person a line of progress and a summary. */
export class Reporter {
  /** Whether a program listens. */
  readonly isJson: boolean;
  readonly #progress = new ProgressLine();
  #last: string | undefined;

  constructor(isJson: boolean) {
    this.isJson = isJson;
  }

  /** Something that happened; for programs only. */
  event(record: RunRecord): void {
    if (this.isJson) process.stdout.write(encodeRecord(record));
  }

  /** How far it is; for people only. */
  progress(text: string): void {
    if (this.isJson) return;
    this.#last = text;
    this.#progress.show(text);
  }

  /** Leaves the last line of progress standing. */
  endProgress(): void {
    if (this.#last !== undefined) this.#progress.end(this.#last);
    this.#last = undefined;
  }

  /** Something that a person should know, on the error stream, in both cases. */
  note(text: string): void {
    this.endProgress();
    printError(text);
  }

  /** What came of it; the record for programs, the pairs for people. */
  summary(record: RunRecord, pairs: readonly (readonly [name: string, value: string])[]): void {
    this.endProgress();
    this.event(record);
    if (!this.isJson) printLine(formatPairs(pairs));
  }
}

/** `1 h 02 min`, `3 min 05 s`, `12 s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return minutes > 0 ? `${minutes} min ${two(rest)} s` : `${rest} s`;
}

/** How fast work goes on, and when it will be done: from what was done since this was made. */
export class Pace {
  readonly #started = performance.now();
  readonly #first: number;

  /** @param first what was done before, by an earlier process */
  constructor(first = 0) {
    this.#first = first;
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** `3 min 05 s left`, once there is something to go by. */
  left(done: number, total: number): string {
    const since = done - this.#first;
    return since > 0 ? `${formatSeconds((this.seconds / since) * (total - done))} left` : "";
  }
}
