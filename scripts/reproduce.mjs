#!/usr/bin/env node
/**
 * `npm run reproduce -- avoid`: installs, builds, trains and measures every cell of the comparison that is not done yet, and
 * writes the page of results. It may be stopped at any moment (Ctrl-C) and goes on where it was.
 */
import { parseArgs } from "node:util";
import { ensureBuilt, ensureInstalled, say } from "./bootstrap.mjs";

const usage = `npm run reproduce -- avoid [options]

  --only M1,M2           data sets; default M1, M2 and M3
  --methods dppo-10,...  default all: dppo-3 to dppo-20, gaussian, gmm, gmm-released
  --studies floor,...    the smaller studies, or none; default all
  --seeds 1,2,3          seeds of fine-tuning
  --iterations 51        of fine-tuning; the studies' own take 26 at most
  --environments 50      stepped together
  --episodes 200         of every evaluation
  --physics arm          or planar, which is many times faster and about 2 mm off
  --hidden 64,64,64      sizes of every network, for a trial
  --epochs 100           of every pre-training, for a trial
  --jobs 1               cells at the same time, each in a process of its own
  --threads 2            of a process; default the cores, divided among the jobs
  --engine wasm          or webgpu; default what the machine has
  --out runs/reproduce/avoid    where the cells lie
  --results docs/results        where the page is written
  --list                 says what would run
  --report               writes the page from what is done
  --force                replaces cells that were run with other settings`;

const text = { type: "string" };
const flag = { type: "boolean" };

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: text, methods: text, studies: text, seeds: text, iterations: text, environments: text, episodes: text, physics: text, hidden: text, epochs: text,
      jobs: text, threads: text, engine: text, out: text, results: text, list: flag, report: flag, force: flag, help: flag,
    },
  });
  if (values.help || positionals.length !== 1 || positionals[0] !== "avoid") {
    process.stdout.write(`${usage}\n`);
    process.exitCode = values.help ? 0 : 2;
  } else {
    await ensureInstalled();
    await ensureBuilt();
    const { reproduceAvoid } = await import("./reproduce/avoid.mjs");
    process.exitCode = await reproduceAvoid(values, process.argv.slice(3));
  }
} catch (error) {
  say(`reproduce: ${error.message}`);
  process.exitCode = error.code?.startsWith("ERR_PARSE_ARGS") || error.code === "OPTION" ? 2 : 1;
}
