import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const programs = {
  difftune: fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)),
  /** With a method of fine-tuning that only counts. */
  counting: fileURLToPath(new URL("fake-finetune.mjs", import.meta.url)),
} as const;

/** How a command ended and what it wrote. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Options of {@link difftune}. */
export interface RunOptions {
  readonly cwd: string;
  /** Default: the package's own. */
  readonly program?: keyof typeof programs;
  readonly variables?: Readonly<Record<string, string>>;
  /** Called with all that was written so far, whenever something is; may send signals. */
  readonly watch?: (written: string, send: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the built command line. */
export function difftune(words: readonly string[], { cwd, program = "difftune", variables = {}, watch }: RunOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [programs[program], ...words], { cwd, env: { ...process.env, ...variables }, stdio: ["ignore", "pipe", "pipe"] });
    let [output, errors] = ["", ""];
    const seen = (): void => watch?.(output + errors, (signal) => child.kill(signal));
    child.stdout.setEncoding("utf8").on("data", (text: string) => { output += text; seen(); });
    child.stderr.setEncoding("utf8").on("data", (text: string) => { errors += text; seen(); });
    child.on("error", reject);
    // A process that a signal ended has the code that a shell would tell.
    child.on("close", (code, signal) => { resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), output, errors }); });
  });
}

/** The JSON lines of an output; fails where a line is none. */
export function jsonLines(output: string): Record<string, unknown>[] {
  return output.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
}
