import { readFile } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { wholeNumber } from "../core/options.js";
import { createDevice } from "../engine/create-device.js";
import type { Evaluation } from "../rl/evaluation.js";
import { exitCodes, type Command } from "./command.js";
import { formatShare } from "./evaluation.js";
import { pathOption, sharedOptions } from "./options.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { formatSeconds } from "./reporter.js";
import { formatSelfTest, runSelfTest } from "./self-test-table.js";
import { formatPairs, printLine } from "./terminal.js";

const schema = v.strictObject({
  engine: sharedOptions.engine,
  iterations: v.pipe(v.optional(wholeNumber(1, 1_000_000), 31), v.description("Iterations of fine-tuning.")),
  epochs: v.pipe(v.optional(wholeNumber(1, 1_000_000), 360), v.description("Epochs of pre-training.")),
  demonstrations: v.pipe(v.optional(wholeNumber(2, 1_000_000), 40), v.description("Episodes that are demonstrated, half of them by each gap.")),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 1), v.description("Seed of demonstrations, parameters and noise.")),
  out: v.optional(pathOption("Folder of all that is made. What an earlier quickstart left there is replaced."), "runs/quickstart"),
});

/** Success after fine-tuning from which the quickstart counts as having worked. */
const leastSuccess = 0.8;

async function readEvaluation(run: string, name: string): Promise<Evaluation> {
  return JSON.parse(await readFile(path.join(run, "evaluations", `${name}.json`), "utf8")) as Evaluation;
}

/**
 * `difftune quickstart`: the main job from nothing, in the commands that a user would type: test the engine, demonstrate,
 * pre-train, fine-tune, evaluate, report.
 *
 * @param run runs one command line
 */
export function quickstartCommand(run: (words: readonly string[]) => Promise<number>): Command {
  return {
    name: "quickstart",
    description: "Do the main job once: demonstrate, pre-train, fine-tune with DPPO, evaluate, and write a report.",
    examples: [{ what: "On the CPU, with fewer iterations", words: "quickstart --engine wasm --iterations 15" }],
    sections: () => [{ title: "Options", schema }],
    execute: async (options) => {
      const { engine, iterations, epochs, demonstrations, seed, out } = options.read(schema);
      if (!isQuietChild()) return runQuietly();
      const startedMs = performance.now();
      {
        using device = await createDevice({ engine });
        printLine(`engine  ${device.info.description}`);
        const rows = await runSelfTest(device);
        if (rows.some(({ passed }) => !passed)) {
          printLine(formatSelfTest(rows.filter(({ passed }) => !passed)));
          return exitCodes.failed;
        }
      }
      const [data, base, tuned] = ["m1.safetensors", "pretrained", "finetuned"].map((name) => path.join(out, name)) as [string, string, string];
      const own = ["--seed", String(seed), "--engine", engine];
      const commands = [
        ["demos", "--modes", "M1", "--episodes", String(demonstrations), "--seed", String(seed), "--out", data, "--force"],
        ["pretrain", "--data", data, "--epochs", String(epochs), "--rate", "3e-3", "--evaluation-episodes", "0", ...own, "--out", base, "--force"],
        ["finetune", "--policy", base, "--iterations", String(iterations), ...own, "--out", tuned, "--force"],
        ["report", tuned],
      ];
      for (const words of commands) {
        printLine(`\n$ difftune ${words.join(" ")}`);
        const code = await run(words);
        if (code !== exitCodes.done) return code;
      }
      const [before, after] = [await readEvaluation(tuned, "before"), await readEvaluation(tuned, "after")];
      printLine(`\n${formatPairs([
        ["before", `success ${formatShare(before.success)}, return ${before.return.mean.toFixed(1)}`],
        ["after", `success ${formatShare(after.success)}, return ${after.return.mean.toFixed(1)}`],
        ["in", formatSeconds((performance.now() - startedMs) / 1000)],
        ["look at", path.join(tuned, "report.html")],
      ])}`);
      return after.success.mean >= leastSuccess ? exitCodes.done : exitCodes.failed;
    },
  };
}
