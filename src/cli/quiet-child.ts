import { spawn } from "node:child_process";
import { constants } from "node:os";
import { exitCodes } from "./command.js";

const childVariable = "DIFFTUNE_QUIET_CHILD";

/** Dawn writes these, past Node, on every request of an adapter; they mean nothing to a user. */
const noise = /^Warning: max\w+ artificially reduced from.*\n/gm;
const noiseStart = "Warning: max";

/** Whether this process is one that {@link runQuietly} started. */
export function isQuietChild(): boolean {
  return process.env[childVariable] !== undefined;
}

/** Whether a person watches the error stream: this process's own, or the one that {@link runQuietly} reads it for. */
export function isWatched(): boolean {
  return process.stderr.isTTY || process.env[childVariable] === "watched";
}

/** What the parent tells its child: to save what it has and stop. */
export interface ParentMessage {
  readonly stop: boolean;
}

/** What a child tells its parent: that it catches interruptions itself, or what is to be run in its place once it has ended. */
export type ChildMessage = { readonly catches: true } | { readonly goOn: readonly string[] };

/** Has the parent run this program again, with these words, as soon as this process has ended. */
export function askToGoOn(words: readonly string[]): void {
  process.send?.({ goOn: words } satisfies ChildMessage);
}

/** Runs this same command line again in a child process whose error stream is passed on without Dawn's noise. */
export async function runQuietly(): Promise<number> {
  for (let words = process.argv.slice(2); ;) {
    const { code, next } = await runChild(words);
    if (next === undefined) return code;
    words = [...next];
  }
}

function runChild(words: readonly string[]): Promise<{ readonly code: number; readonly next: readonly string[] | undefined }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...words], {
      env: { ...process.env, [childVariable]: process.stderr.isTTY ? "watched" : "unwatched" },
      stdio: ["inherit", "inherit", "pipe", "ipc"],
    });
    let held = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      const text = (held + chunk).replace(noise, "");
      // A last line that may become noise waits for its end; progress, which has no end of line, does not.
      const lastLine = text.slice(text.lastIndexOf("\n") + 1);
      held = lastLine !== "" && (lastLine.startsWith(noiseStart) || noiseStart.startsWith(lastLine)) ? lastLine : "";
      process.stderr.write(text.slice(0, text.length - held.length));
    });
    // A child that catches interruptions is told once to stop, and ended the second time; any other has the signal as it is.
    let isCatching = false;
    let isStopping = false;
    let next: readonly string[] | undefined;
    child.on("message", (message: ChildMessage) => {
      if ("goOn" in message) next = message.goOn;
      else isCatching = true;
    });
    const interrupt = (signal: NodeJS.Signals): void => {
      if (!isCatching) child.kill(signal);
      else if (isStopping) {
        child.kill("SIGKILL");
        process.exit(exitCodes.interrupted);
      } else child.send({ stop: true } satisfies ParentMessage, () => undefined);
      isStopping = isCatching;
    };
    const signals = ["SIGINT", "SIGTERM"] as const;
    for (const signal of signals) process.on(signal, interrupt);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const each of signals) process.off(each, interrupt);
      process.stderr.write(held);
      resolve({ code: signal === null ? (code ?? 1) : 128 + constants.signals[signal], next: isStopping ? undefined : next });
    });
  });
}
