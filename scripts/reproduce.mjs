#!/usr/bin/env node
/**
 * `npm run reproduce -- avoid` and `-- fdpp-pusht`: installs, builds, trains and measures every cell of an experiment that is not
 * done yet, and writes its page of results. It may be stopped at any moment (Ctrl-C) and goes on where it was.
 */
import { parseArgs } from "node:util";
import { ensureBuilt, ensureInstalled, say } from "./bootstrap.mjs";

const text = { type: "string" };
const flag = { type: "boolean" };

/** Flags that every experiment has. */
const shared = { jobs: text, threads: text, engine: text, out: text, results: text, list: flag, report: flag, force: flag, help: flag };
const sharedUsage = (name) => `  --jobs 1               cells at the same time, each in a process of its own
  --threads 2            of a process; default the cores, divided among the jobs
  --engine wasm          or webgpu; default what the machine has
  --out runs/reproduce/${name}    where the cells lie
  --results docs/results        where the page is written
  --list                 says what would run
  --report               writes the page from what is done
  --force                replaces cells that were run with other settings`;

const experiments = {
  avoid: {
    options: {
      only: text, methods: text, studies: text, seeds: text, iterations: text, environments: text, episodes: text, physics: text, hidden: text, epochs: text,
    },
    usage: `  --only M1,M2           data sets; default M1, M2 and M3
  --methods dppo-10,...  default all: dppo-3 to dppo-20, gaussian, gmm, gmm-released
  --studies floor,...    the smaller studies, or none; default all
  --seeds 1,2,3          seeds of fine-tuning
  --iterations 51        of fine-tuning; the studies' own take 26 at most
  --environments 50      stepped together
  --episodes 200         of every evaluation
  --physics arm          or planar, which is many times faster and about 2 mm off
  --hidden 64,64,64      sizes of every network, for a trial
  --epochs 100           of every pre-training, for a trial`,
    run: async (values, args) => (await import("./reproduce/avoid.mjs")).reproduceAvoid(values, args),
  },
  "fdpp-pusht": {
    options: {
      alphas: text, seeds: text, iterations: text, environments: text, chunks: text, epochs: text, batch: text, rate: text, "last-rate": text, "critic-warmup": text, clip: text, advantage: text, gamma: text, baseline: text, "denoising-steps": text, "std-floor": text, "acting-floor": text,
      episodes: text, every: text, "every-episodes": text, pairs: text, rollouts: text, reach: text, "tie-width": text, policy: text, starts: text, rounds: text, visited: text, demonstrations: text, "pretrain-epochs": text, hidden: text,
    },
    usage: `  --alphas 0,0.3,10      weights of the divergence; default 0, 0.03, 0.1, 0.3, 1, 3 and 10
  --seeds 1,2,3          seeds of fine-tuning
  --iterations 90        of every fine-tuning
  --environments 32      stepped together
  --chunks 25            of each environment in an iteration
  --epochs 6             passes over a rollout
  --batch 4000           denoising steps of a minibatch
  --rate 4e-4            learning rate of fine-tuning
  --last-rate 1e-4       to which it falls along half a cosine
  --critic-warmup 3      first iterations in which only the critic learns
  --clip 0.02            clip range of fine-tuning
  --advantage return     chunks that follow count too; or bandit: each is judged by itself
  --gamma 0.5            how much a chunk that follows counts less than the one before
  --baseline value       or batch: with --advantage bandit, a critic's value of the state or the mean of the rollout
  --denoising-steps 10   of a chain (DDIM, eta 1)
  --std-floor 0.02       smallest deviation of one of them while learning, in half ranges of the demonstrated actions
  --acting-floor 0.005   the same of the policies that are measured
  --episodes 500         of every evaluation
  --every 10             iterations between two measurements on the way
  --every-episodes 50    of such a measurement
  --pairs 1024           labelled by script
  --rollouts 300         whose states are labelled
  --reach 60             px from the box beyond which the annotator finds all places alike
  --tie-width 0.8        differences of its scores (-1 inside, 0 to 1 outside) below which it finds two places alike
  --policy FILE          instead of pre-training one
  --starts FILE          JSON {"states": [[agent x, y, block x, y, angle], ...]} that are tried
  --rounds 0             of pre-training after the first: the planner shows what to do where the policy went
  --visited 2000         demonstrations of such a round
  --demonstrations, --pretrain-epochs, --hidden    of the pre-training, for a trial`,
    run: async (values, args) => (await import("./reproduce/fdpp.mjs")).reproduceFdpp(values, args),
  },
};

function usage(names) {
  return names.map((name) => `npm run reproduce -- ${name} [options]\n\n${experiments[name].usage}\n${sharedUsage(name)}`).join("\n\n");
}

const name = process.argv.slice(2).find((word) => Object.hasOwn(experiments, word));

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { ...shared, ...(name === undefined ? {} : experiments[name].options) } });
  if (values.help || name === undefined || positionals.length !== 1) {
    process.stdout.write(`${usage(name === undefined ? Object.keys(experiments) : [name])}\n`);
    process.exitCode = values.help ? 0 : 2;
  } else {
    await ensureInstalled();
    await ensureBuilt();
    const args = process.argv.slice(2);
    process.exitCode = await experiments[name].run(values, args.toSpliced(args.indexOf(name), 1));
  }
} catch (error) {
  say(`reproduce: ${error.message}`);
  process.exitCode = error.code?.startsWith("ERR_PARSE_ARGS") || error.code === "OPTION" ? 2 : 1;
}
