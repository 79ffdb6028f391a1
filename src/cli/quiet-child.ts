import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { printError } from "./terminal.js";

const childVariable = "DIFFTUNE_QUIET_CHILD";

/** Dawn writes these, past Node, on every request of an adapter; they mean nothing to a user. */
const noise = /^Warning: max\w+ artificially reduced from/;

/** Whether this process is one that {@link runQuietly} started. */
export function isQuietChild(): boolean {
  return process.env[childVariable] === "1";
}

/** Runs this same command line again in a child process whose error stream is read without Dawn's noise. */
export function runQuietly(): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      env: { ...process.env, [childVariable]: "1" },
      stdio: ["inherit", "inherit", "pipe"],
    });
    createInterface(child.stderr).on("line", (line) => {
      if (!noise.test(line)) printError(line);
    });
    child.on("error", reject);
    child.on("close", (code) => { resolve(code ?? 1); });
  });
}
