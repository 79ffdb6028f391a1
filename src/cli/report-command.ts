import path from "node:path";
import * as v from "valibot";
import { exitCodes, type Command } from "./command.js";
import { makeFolder, writeAtomically } from "./files.js";
import { pathOption, sharedOptions } from "./options.js";
import { figuresOf } from "./report/figures.js";
import { readRunFolders } from "./report/read-run-folder.js";
import { report } from "./report/report.js";
import { groupRuns } from "./report/run-group.js";
import { standalone } from "./report/svg.js";
import { Reporter } from "./reporter.js";

const schema = v.strictObject({
  runs: v.pipe(
    v.array(pathOption("A run folder, or a folder of such.")),
    v.minLength(1, "It must name at least one run folder."),
    v.description("Run folders, or folders that hold some; the bare words of the command. Those that differ only by seed are put together."),
  ),
  out: v.optional(pathOption("The page to write. Default: report.html in the folder of the run, or here where there are several.")),
  figures: v.optional(pathOption("A folder that gets every figure as an SVG file of its own, for papers and slides.")),
  json: sharedOptions.json,
});

/** What {@link writeReport} wrote. */
export interface WrittenReport {
  readonly file: string;
  readonly runs: number;
  /** Runs that differ by more than their seed. */
  readonly experiments: number;
  /** The files of the figures. */
  readonly figures: readonly string[];
  /** What was missing or broken, a sentence each. */
  readonly missing: readonly string[];
}

/**
 * Writes the page about some runs.
 *
 * @param folders run folders, or folders that hold some
 * @param places where the page goes, by default as `--out` says; and a folder for the figures, by default none
 */
export async function writeReport(folders: readonly string[], places: { readonly out?: string | undefined; readonly figures?: string | undefined } = {}): Promise<WrittenReport> {
  const found = await readRunFolders(folders);
  const runs = found.map(({ summary }) => summary);
  const file = places.out ?? (found.length === 1 ? path.join(found[0]!.folder, "report.html") : "report.html");
  await makeFolder(path.dirname(file));
  await writeAtomically(file, report(runs));
  const groups = groupRuns(runs);
  const figures: string[] = [];
  if (places.figures !== undefined) {
    await makeFolder(places.figures);
    for (const { id, markup } of figuresOf(groups)) {
      const figure = path.join(places.figures, `${id}.svg`);
      await writeAtomically(figure, standalone(markup));
      figures.push(figure);
    }
  }
  return { file, runs: runs.length, experiments: groups.length, figures, missing: runs.flatMap(({ name, faults }) => faults.map((fault) => `${name}: ${fault}`)) };
}

/** `difftune report`: a page about one run, or about several side by side. */
export const reportCommand: Command = {
  name: "report",
  description: "Write a page about one run, or about several side by side.",
  examples: [
    { what: "One run, as runs/m1/report.html", words: "report runs/m1" },
    { what: "All runs of a folder side by side, figures as files besides", words: "report runs --out comparison.html --figures figures" },
  ],
  word: { option: "runs", isList: true },
  sections: () => [{ title: "Options", schema }],
  execute: async (options) => {
    const { runs: folders, out, figures, json } = options.read(schema);
    const reporter = new Reporter(json);
    const written = await writeReport(folders, { out, figures });
    for (const fault of written.missing) reporter.note(fault);
    reporter.summary({ event: "report", ...written }, [
      ["report", written.file],
      ["runs", written.experiments === written.runs ? String(written.runs) : `${written.runs} in ${written.experiments} ${written.experiments === 1 ? "experiment" : "experiments"}`],
      ...(figures === undefined ? [] : [["figures", `${written.figures.length} in ${figures}`] as const]),
    ]);
    return exitCodes.done;
  },
};
