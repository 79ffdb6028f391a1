/** The conductor of `npm run reproduce`: which cells are to be run, in which processes, and what became of them. */
import { fork } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { DifftuneError } from "../../dist/index.js";
import { root, say } from "../bootstrap.mjs";
import { isSame, needsOf } from "./cells.mjs";

const interrupted = 130;

/**
 * Runs the cells of a plan that are not done yet and writes the page of results.
 *
 * @param task what is reproduced: `name`, `plan` with its `cells` in an order in which each comes after those it needs, `runner`
 * (the module whose `kinds` run them), `optionsOf` a cell, and `writePage`
 * @param given flags as texts  @param args the command line after the name, for the page
 */
export async function reproduce({ name, plan, runner, optionsOf, writePage }, given, args) {
  const jobs = count("jobs", given.jobs, 1);
  const threads = count("threads", given.threads, Math.max(1, Math.floor(availableParallelism() / jobs)));
  const folder = path.resolve(root, given.out ?? `runs/reproduce/${name}`);
  const states = await statesOf(plan.cells, folder, optionsOf);
  const waiting = plan.cells.filter(({ id }) => states.get(id) !== "done");
  if (given.list) {
    for (const { id } of plan.cells) process.stdout.write(`${states.get(id).padEnd(6)} ${id}\n`);
    return 0;
  }
  let status = 0;
  if (!given.report) {
    const others = plan.cells.filter(({ id }) => states.get(id) === "other");
    if (others.length > 0 && !given.force) {
      throw new DifftuneError("OPTION", `${others.length} cells were run with other settings, ${others[0].id} for one.`, {
        hint: "Replace them by --force, or choose another folder by --out.",
      });
    }
    for (const { id } of others) await rm(path.join(folder, id), { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const command = ["npm run reproduce --", name, ...args].join(" ");
    status = await conduct(waiting, { folder, jobs, threads, engine: given.engine, command, runner });
  }
  const file = await writePage({ folder, results: path.resolve(root, given.results ?? "docs/results"), args });
  say(`written    ${path.relative("", file)}`);
  return status;
}

/** Some of the known names, from a text with commas. */
export function chosen(name, value, known, standard) {
  if (value === undefined) return standard;
  if (value === "none") return [];
  const names = value.split(",").map((part) => part.trim());
  const unknown = names.find((part) => !known.includes(part));
  if (unknown !== undefined) throw new DifftuneError("OPTION", `--${name} has no "${unknown}".`, { hint: `There are ${known.join(", ")}.` });
  return names;
}

/** Whole numbers from a text with commas. */
export function numbers(name, value) {
  return value?.split(",").map((part) => count(name, part.trim()));
}

/** A whole number from 1. */
export function count(name, value, standard) {
  if (value === undefined) return standard;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1 || number > 0xffffffff) {
    throw new DifftuneError("OPTION", `--${name} is "${value}"; it must be a whole number from 1.`);
  }
  return number;
}

/** By id: `done`, `half` (goes on), `new`, or `other` (there is something of other settings, or made from it). */
async function statesOf(cells, folder, optionsOf) {
  const read = async (...names) => {
    try {
      return JSON.parse(await readFile(path.join(folder, ...names), "utf8"));
    } catch {
      return undefined;
    }
  };
  const states = new Map();
  for (const cell of cells) {
    const [done, run] = await Promise.all([read(cell.id, "cell.json"), read(cell.id, "run.json")]);
    const found = done ?? (run === undefined ? undefined : storedIn(run.options));
    const isOther = found !== undefined && (!isSame(found, cell, optionsOf(cell)) || needsOf(cell).some((id) => states.get(id) !== "done"));
    states.set(cell.id, found === undefined ? "new" : isOther ? "other" : done === undefined ? "half" : "done");
  }
  return states;
}

/** The cell and the options of training that a run folder tells. */
function storedIn({ cell, ...options }) {
  return { cell, options };
}

/** Runs cells, several at a time, each in a process of its own. Gives the exit status. */
async function conduct(cells, { folder, jobs, threads, engine, command, runner }) {
  const progress = new Progress(cells.length, jobs);
  const waiting = [...cells];
  const running = new Map();
  const failed = new Set();
  let isStopping = false;
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    say("stopping: what is half done is kept");
    for (const child of running.values()) child.kill("SIGINT");
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  /** The next cell whose needs are met, or undefined; what needs a failed cell fails with it. */
  const next = () => {
    for (const [place, cell] of waiting.entries()) {
      const needs = needsOf(cell);
      if (needs.some((id) => failed.has(id))) {
        failed.add(cell.id);
        waiting.splice(place, 1);
        return next();
      }
      if (needs.every((id) => !running.has(id) && !waiting.some((other) => other.id === id))) return waiting.splice(place, 1)[0];
    }
    return undefined;
  };
  const run = (cell) => new Promise((resolve) => {
    const child = fork(new URL("child.mjs", import.meta.url), [], { cwd: root });
    running.set(cell.id, child);
    progress.start(cell);
    let failure;
    child.on("message", (message) => {
      if (message.failure === undefined) progress.tell(cell, message.tell);
      else failure = message.failure;
    });
    child.on("close", (code) => {
      running.delete(cell.id);
      if (code === 0) progress.end(cell);
      else if (!isStopping || code !== interrupted) {
        failed.add(cell.id);
        say(`failed     ${cell.id}: ${failure ?? `exit status ${code}`}`);
      }
      resolve();
    });
    child.send({ runner, cell, root: folder, threads, engine, command });
  });
  const work = async () => {
    while (!isStopping) {
      const cell = next();
      if (cell !== undefined) await run(cell);
      else if (running.size === 0 || waiting.length === 0) return;
      // What is left needs a cell that another worker is running.
      else await new Promise((resolve) => { setTimeout(resolve, 500); });
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, cells.length) }, work));
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
  if (isStopping) return interrupted;
  return failed.size === 0 ? 0 : 1;
}

/** Lines on the error stream: what each running cell says, and what is left. */
class Progress {
  #cells;
  #jobs;
  #done = 0;
  #numbers = new Map();
  #starts = new Map();
  #spent = new Map();
  #lastMs = new Map();
  #isTerminal = process.stderr.isTTY === true;

  constructor(cells, jobs) {
    this.#cells = cells;
    this.#jobs = jobs;
  }

  start(cell) {
    this.#numbers.set(cell.id, this.#numbers.size + 1);
    this.#starts.set(cell.id, performance.now());
  }

  tell(cell, words) {
    const line = `[${this.#numbers.get(cell.id)}/${this.#cells}] ${cell.id}: ${words}`;
    const now = performance.now();
    if (this.#isTerminal && this.#jobs === 1) process.stderr.write(`\r${line}\u001b[K`);
    else if (now - (this.#lastMs.get(cell.id) ?? -Infinity) > 15_000) {
      say(line);
      this.#lastMs.set(cell.id, now);
    }
  }

  end(cell) {
    const seconds = (performance.now() - this.#starts.get(cell.id)) / 1000;
    this.#done += 1;
    const spent = this.#spent.get(cell.kind) ?? [];
    this.#spent.set(cell.kind, [...spent, seconds]);
    const all = [...this.#spent.values()].flat();
    const left = ((this.#cells - this.#done) * all.reduce((sum, value) => sum + value, 0)) / all.length / this.#jobs;
    const line = `[${this.#done}/${this.#cells}] ${cell.id}: done in ${seconds.toFixed(0)} s, about ${Math.ceil(left / 60)} min left`;
    if (this.#isTerminal && this.#jobs === 1) process.stderr.write(`\r${line}\u001b[K\n`);
    else say(line);
  }
}
