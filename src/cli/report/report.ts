import type { Interval } from "../../core/statistics.js";
import { count, displayReason, figuresOf, groupLegend, type Figure, type FigurePlace } from "./figures.js";
import { differences, displayMethod, groupRuns, intervalOf, pooledEvaluation, type RunGroup } from "./run-group.js";
import type { EvaluationSummary, RunSummary } from "./run-summary.js";
import { formatNumber, formatSeconds, formatShare } from "./scale.js";
import { escapeText } from "./svg.js";
import { reportStyle } from "./style.js";

/**
 * One page of HTML about runs: curves, ways, modes, reasons of failure, times, settings and how to do it again. It needs no
 * other file and no network, holds no script, and follows the reader's choice of light or dark.
 */
export function report(runs: readonly RunSummary[]): string {
  const groups = groupRuns(runs);
  const figures = figuresOf(groups);
  const title = titleOf(groups);
  const sections = [
    section("result", "Result", groups.length === 0 ? "" : `${resultBlock(groups)}${figureGrid(figures, "result", "wide")}${curveNote(groups, figures)}`),
    section("behaviour", "Behaviour", behaviourBlock(groups, figures)),
    section("learning", "Learning", learningBlock(groups, figures)),
    section("cloning", "Pre-training", figureGrid(figures, "cloning", "wide")),
    section("time", "Time", figureGrid(figures, "time", "wide")),
    section("settings", "Settings", settingsTable(groups)),
    section("reproduce", "Reproduce", reproduceBlock(groups)),
    section("gaps", "What is missing", faultList(runs)),
  ].filter(({ markup }) => markup !== "");
  const links = sections.map(({ id, name }) => `<a href="#${id}">${name}</a>`).join("");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escapeText(title)} · difftune</title>
<style>${reportStyle}</style>
</head>
<body>
<header>
<p class="kicker">difftune · run report</p>
<h1>${escapeText(title)}</h1>
<p class="lead">${escapeText(leadOf(groups, runs))}</p>
<nav aria-label="Parts of this report">${links}</nav>
</header>
<main>
${sections.map(({ markup }) => markup).join("\n")}
</main>
<footer>Made with difftune${versionsOf(runs)}.</footer>
</body>
</html>
`;
}

interface Section {
  readonly id: string;
  readonly name: string;
  readonly markup: string;
}

function section(id: string, name: string, content: string): Section {
  return { id, name, markup: content === "" ? "" : `<section id="${id}" aria-labelledby="${id}-name"><h2 id="${id}-name">${name}</h2>${content}</section>` };
}

function figureGrid(figures: readonly Figure[], place: FigurePlace, width: "wide" | "narrow"): string {
  const found = figures.filter((figure) => figure.place === place);
  return found.length === 0 ? "" : `<div class="figures ${width}">${found.map(({ markup }) => `<figure>${markup}</figure>`).join("")}</div>`;
}

function titleOf(groups: readonly RunGroup[]): string {
  if (groups.length === 0) return "No runs";
  const unique = (name: string): string[] => [...new Set(groups.map(({ settings }) => settings.get(name)).filter((value) => value !== undefined))];
  const [methods, environments] = [unique("method"), unique("environment")];
  const who = methods.length === 0 ? groups[0]!.runs[0]!.name : methods.length > 3 ? count(methods.length, "method") : methods.map(displayMethod).join(", ");
  return environments.length === 0 ? who : `${who} on ${environments.join(", ")}`;
}

function leadOf(groups: readonly RunGroup[], runs: readonly RunSummary[]): string {
  const parts = [count(runs.length, "run")];
  if (groups.length > 1) parts.push(count(groups.length, "experiment"));
  const seeds = [...new Set(runs.map(({ facts }) => facts.seed).filter((seed) => seed !== undefined))];
  if (seeds.length > 0) parts.push(seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${listOf(seeds)}`);
  const engines = [...new Set(runs.map(({ facts }) => facts.engine?.description).filter((engine) => engine !== undefined))];
  if (engines.length > 0) parts.push(engines.join(", "));
  const started = runs.map(({ facts }) => facts.startedAt).filter((date) => date !== undefined).sort()[0];
  if (started !== undefined) parts.push(displayDate(started));
  return parts.join(" · ");
}

function listOf(values: readonly number[]): string {
  return values.length > 8 ? `${values.slice(0, 8).join(", ")}, …` : values.join(", ");
}

/** `2026-11-20T13:05:00.000Z` becomes `2026-11-20 13:05 UTC`; anything else stays. */
function displayDate(text: string): string {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?Z$/.exec(text);
  return parts === null ? text : `${parts[1]} ${parts[2]} UTC`;
}

function versionsOf(runs: readonly RunSummary[]): string {
  const versions = [...new Set(runs.map(({ facts }) => facts.version).filter((version) => version !== undefined))];
  return versions.length === 0 ? "" : ` ${escapeText(versions.join(", "))}`;
}

/** A number with its interval, in two sizes. */
function intervalMarkup(interval: Interval | undefined, format: (value: number) => string): string {
  if (interval === undefined) return "–";
  const bounds = interval.low === interval.high ? "" : ` <small>${escapeText(`${format(interval.low)} to ${format(interval.high)}`)}</small>`;
  return `<b>${escapeText(format(interval.mean))}</b>${bounds}`;
}

interface GroupResult {
  readonly before: EvaluationSummary | undefined;
  readonly after: EvaluationSummary | undefined;
  /** Of the last training iterations, with the noise of exploration. */
  readonly lastSuccess: Interval | undefined;
  readonly lastReturn: Interval | undefined;
  readonly envSteps: number | undefined;
  readonly seconds: number | undefined;
}

function resultOf(group: RunGroup): GroupResult {
  const last = (metric: string): Interval | undefined => {
    const values = group.runs.flatMap(({ iterations }) => iterations.findLast((row) => !row.isEvaluation && row.values[metric] !== undefined)?.values[metric] ?? []);
    return values.length === 0 ? undefined : intervalOf(values, metric);
  };
  const steps = group.runs.flatMap(({ iterations }) => iterations.at(-1)?.values.envSteps ?? []);
  const seconds = group.runs.map(secondsOf).filter((value) => value !== undefined);
  return {
    before: pooledEvaluation(group, "before"),
    after: pooledEvaluation(group, "after"),
    lastSuccess: last("success"),
    lastReturn: last("return"),
    envSteps: steps.length === 0 ? undefined : Math.max(...steps),
    seconds: seconds.length === 0 ? undefined : seconds.reduce((sum, value) => sum + value, 0) / seconds.length,
  };
}

/** Seconds that a run has computed. */
function secondsOf({ iterations, epochs }: RunSummary): number | undefined {
  const times = iterations.flatMap(({ values }) => values.iterationSeconds ?? []);
  // Epochs tell the seconds since their run was started or resumed: each drop is a resumption.
  const clocks = epochs.flatMap(({ values }) => values.seconds ?? []);
  times.push(...clocks.filter((seconds, index) => index + 1 === clocks.length || clocks[index + 1]! < seconds));
  return times.length === 0 ? undefined : times.reduce((sum, value) => sum + value, 0);
}

function resultBlock(groups: readonly RunGroup[]): string {
  const [only] = groups;
  return groups.length === 1 && only !== undefined ? tiles(only) : comparison(groups);
}

function tile(name: string, value: string, note = ""): string {
  return `<div class="tile"><dt>${name}</dt><dd>${value}${note === "" ? "" : `<span>${note}</span>`}</dd></div>`;
}

function tiles(group: RunGroup): string {
  const { before, after, lastSuccess, lastReturn, envSteps, seconds } = resultOf(group);
  const change = (name: string, was: Interval | undefined, is: Interval | undefined, last: Interval | undefined, format: (value: number) => string): string => {
    const now = is ?? last;
    if (now === undefined) return was === undefined ? "" : tile(`${name} before`, escapeText(format(was.mean)), boundsText(was, format));
    const notes = [boundsText(now, format), is === undefined ? "last iteration, exploring" : "", was === undefined ? "" : `before: ${escapeText(format(was.mean))}`];
    return tile(name, escapeText(format(now.mean)), notes.filter((note) => note !== "").join("<br>"));
  };
  const entropies = [before?.modeEntropy, after?.modeEntropy];
  const content = [
    change("Success", before?.success, after?.success, lastSuccess, formatShare),
    change("Return", before?.return, after?.return, lastReturn, formatNumber),
    entropies.every((entropy) => entropy === undefined)
      ? ""
      : tile("Mode entropy", `${escapeText(formatNumber(entropies[1] ?? entropies[0]))} <small>nats</small>`, entropies[1] === undefined || entropies[0] === undefined ? "" : `before: ${escapeText(formatNumber(entropies[0]))}`),
    envSteps === undefined ? "" : tile("Environment steps", formatNumber(envSteps), count(Math.max(...group.runs.map(({ iterations }) => iterations.length)), "iteration")),
    ...cloningTiles(group),
    seconds === undefined ? "" : tile("Time", formatSeconds(seconds), group.runs.length === 1 ? "" : `mean of ${group.runs.length} runs`),
  ].join("");
  return content === "" ? "" : `<dl class="tiles">${content}</dl>`;
}

/** The last losses of a pre-training. */
function cloningTiles({ runs }: RunGroup): string[] {
  const last = (metric: string): number[] => runs.flatMap(({ epochs }) => epochs.findLast(({ values }) => values[metric] !== undefined)?.values[metric] ?? []);
  const [losses, validation, epochs] = [last("loss"), last("validationLoss"), last("epoch")];
  if (losses.length === 0) return [];
  return [
    tile("Cloning loss", formatNumber(intervalOf(losses, "loss").mean), validation.length === 0 ? "" : `validation: ${formatNumber(intervalOf(validation, "loss").mean)}`),
    tile("Epochs", formatNumber(Math.max(...epochs, 0))),
  ];
}

function boundsText(interval: Interval, format: (value: number) => string): string {
  return interval.low === interval.high ? "" : escapeText(`${format(interval.low)} to ${format(interval.high)} (95\u00a0% interval)`);
}

function comparison(groups: readonly RunGroup[]): string {
  const results = groups.map(resultOf);
  const isEvaluated = results.some(({ before, after }) => before !== undefined || after !== undefined);
  const head = isEvaluated
    ? ["", "runs", "success before", "success after", "return before", "return after", "mode entropy", "environment steps", "time"]
    : ["", "runs", "success, last iteration", "return, last iteration", "environment steps", "time"];
  const rows = groups.map((group, index) => {
    const { before, after, lastSuccess, lastReturn, envSteps, seconds } = results[index]!;
    const measured = isEvaluated
      ? [intervalMarkup(before?.success, formatShare), intervalMarkup(after?.success, formatShare), intervalMarkup(before?.return, formatNumber), intervalMarkup(after?.return, formatNumber), formatNumber(after?.modeEntropy ?? before?.modeEntropy)]
      : [intervalMarkup(lastSuccess, formatShare), intervalMarkup(lastReturn, formatNumber)];
    return [`<th scope="row">${escapeText(group.name)}</th>`, String(group.runs.length), ...measured, formatNumber(envSteps), formatSeconds(seconds)];
  });
  return table("Results side by side", head, rows, ' class="compare"');
}

/** A table; the first cell of a row may bring its own markup of a header. */
function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[], style = ""): string {
  const cell = (markup: string): string => (markup.startsWith("<th") ? markup : `<td>${markup}</td>`);
  const headCells = head.map((name) => (name === "" ? "<td></td>" : `<th scope="col">${escapeText(name)}</th>`)).join("");
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeText(caption)}"><table${style}><caption>${escapeText(caption)}</caption><thead><tr>${headCells}</tr></thead><tbody>${rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("")}</tbody></table></div>`;
}

function rowHead(text: string): string {
  return `<th scope="row">${escapeText(text)}</th>`;
}

function curveNote(groups: readonly RunGroup[], figures: readonly Figure[]): string {
  if (!figures.some(({ place }) => place === "result")) return "";
  const notes = [
    groups.some(({ runs }) => runs.length > 1) ? "Runs that differ only by seed: the line is their mean, the band Student's 95 % interval of it, thin lines are the runs." : "",
    groups.some(({ runs }) => runs.length === 1) ? "Band of a single run: 95 % interval of the success over the episodes of each iteration." : "",
    "Curves are measured while training, with the noise of exploration; rings are evaluations, with their 95 % intervals.",
  ];
  return `<p class="note">${notes.filter((note) => note !== "").join(" ")}</p>`;
}

function learningBlock(groups: readonly RunGroup[], figures: readonly Figure[]): string {
  const grid = figureGrid(figures, "learning", "narrow");
  return grid === "" || groups.length === 1 ? grid : `<div class="legend">${groupLegend(groups)}</div>${grid}`;
}

/** Of one experiment two rows: before and after, then modes with the reasons below, and the denoising. Of several a row each. */
function behaviourBlock(groups: readonly RunGroup[], figures: readonly Figure[]): string {
  const note = behaviourNote(groups, figures);
  const [reasons, failures] = [reasonsTable(groups), failureTable(groups)];
  if (groups.length > 1) {
    const rows = groups.map((_, index) => figureGrid(figures.filter(({ group }) => group === index), "behaviour", "narrow"));
    return `${rows.join("")}${figureGrid(figures, "chain", "narrow")}${note}${reasons}${failures}`;
  }
  const cells = figures.filter(({ place }) => place === "behaviour" || place === "chain").map(({ id, markup }) => ({ id, cell: `<figure>${markup}</figure>` }));
  const modes = cells.findIndex(({ id }) => id === "modes");
  const markup = cells.map(({ cell }, index) => (index === modes ? `<div class="stack">${cell}${reasons}</div>` : cell)).join("");
  return `${markup === "" ? "" : `<div class="figures wide">${markup}</div>`}${note}${modes === -1 ? reasons : ""}${failures}`;
}

function behaviourNote(groups: readonly RunGroup[], figures: readonly Figure[]): string {
  const [group] = groups;
  const hasPictures = figures.some(({ id }) => id.startsWith("trajectories"));
  if (group === undefined || !hasPictures) return "";
  const isAvoid = groups.some(({ settings }) => settings.get("environment")?.startsWith("avoid"));
  const several = groups.some(({ runs }) => runs.length > 1) ? " Of several runs the ways of the first are drawn." : "";
  const scene = isAvoid ? "Ways: cylinders in true size; the thin ring is where the middle of the rod touches, crosses are where it first did. m5 to m8 are the gaps of the third row, m5 nearest the robot." : "";
  return scene + several === "" ? "" : `<p class="note">${(scene + several).trim()}</p>`;
}

function reasonsTable(groups: readonly RunGroup[]): string {
  const columns = groups.flatMap((group) => (["before", "after"] as const).flatMap((when) => {
    const evaluation = pooledEvaluation(group, when);
    return evaluation === undefined ? [] : [{ name: groups.length === 1 ? when : `${group.name}, ${when}`, reasons: evaluation.reasons }];
  }));
  const reasons = [...new Set(columns.flatMap((column) => Object.keys(column.reasons)))];
  if (reasons.length === 0) return "";
  const totals = columns.map((column) => Object.values(column.reasons).reduce((sum, episodes) => sum + episodes, 0));
  const total = (reason: string): number => columns.reduce((sum, column) => sum + (column.reasons[reason] ?? 0), 0);
  const order = reasons.sort((a, b) => Number(b === "success") - Number(a === "success") || total(b) - total(a));
  const rows = order.map((reason) => [
    rowHead(displayReason(reason)),
    ...columns.map((column, index) => {
      const episodes = column.reasons[reason] ?? 0;
      return episodes === 0 ? "0" : `${formatNumber(episodes)} <small>${formatShare(episodes / totals[index]!)}</small>`;
    }),
  ]);
  return table("How episodes ended", ["", ...columns.map(({ name }) => name)], rows);
}

const failureRows = 12;

/** Details of failures with how often each stands in the lists, after the run where it is known. */
function failureTable(groups: readonly RunGroup[]): string {
  const rows = groups.flatMap((group) => {
    const evaluation = pooledEvaluation(group, "after") ?? pooledEvaluation(group, "before");
    const counts = new Map<string, { episodes: number; seed: number | undefined }>();
    for (const { detail, reason, seed } of evaluation?.failures ?? []) {
      const text = detail === "" ? displayReason(reason) : detail;
      const entry = counts.get(text);
      if (entry === undefined) counts.set(text, { episodes: 1, seed });
      else entry.episodes += 1;
    }
    const when = evaluation?.when === "before" ? "before" : "after";
    return [...counts].sort(([, a], [, b]) => b.episodes - a.episodes).slice(0, failureRows).map(([text, { episodes, seed }]) =>
      [rowHead(text), ...(groups.length === 1 ? [when] : [escapeText(`${group.name}, ${when}`)]), String(episodes), seed === undefined ? "–" : String(seed)]);
  });
  return rows.length === 0 ? "" : table("Why episodes failed", ["", "when", "episodes listed", "first seed"], rows, ' class="words"');
}

function settingsTable(groups: readonly RunGroup[]): string {
  const names = [...new Set(groups.flatMap(({ settings }) => [...settings.keys()]))];
  if (names.length === 0) return "";
  const differing = new Set(differences(groups));
  const row = (name: string): string[] => [rowHead(name), ...groups.map(({ settings }) => `<code>${escapeText(settings.get(name) ?? "–")}</code>`)];
  const common = names.filter((name) => !differing.has(name));
  const pairs = common.map((name) => `<div><dt>${escapeText(name)}</dt><dd><code>${escapeText(groups[0]!.settings.get(name) ?? "–")}</code></dd></div>`).join("");
  const first = differing.size === 0 ? "" : table("Settings that differ", ["", ...groups.map(({ name }) => name)], [...differing].map(row), ' class="words"');
  return `${first}${common.length === 0 ? "" : `<details open><summary>${count(common.length, "setting")}${differing.size === 0 ? "" : " in common"}</summary><dl class="pairs">${pairs}</dl></details>`}`;
}

function reproduceBlock(groups: readonly RunGroup[]): string {
  const runs = groups.flatMap((group) => group.runs);
  const commands = runs.filter(({ facts }) => facts.command !== undefined).map(({ facts }) => facts.command!);
  const pre = commands.length === 0 ? "" : `<pre tabindex="0"><code>${[...new Set(commands)].map(escapeText).join("\n")}</code></pre>`;
  const rows = runs.filter(({ facts, iterations, epochs }) => Object.values(facts).some((value) => typeof value === "string" || typeof value === "number") || iterations.length + epochs.length > 0).map((run) => {
    const { seed, engine, version, startedAt } = run.facts;
    return [
      rowHead(run.name),
      seed === undefined ? "–" : String(seed),
      escapeText(engine?.description ?? "–"),
      escapeText(version ?? "–"),
      escapeText(startedAt === undefined ? "–" : displayDate(startedAt)),
      formatSeconds(secondsOf(run)),
    ];
  });
  return `${pre}${rows.length === 0 ? "" : table("Runs", ["", "seed", "engine", "difftune", "started", "time"], rows, ' class="words"')}`;
}

function faultList(runs: readonly RunSummary[]): string {
  const faulty = runs.filter(({ faults }) => faults.length > 0);
  const items = faulty.flatMap(({ name, faults }) => faults.map((fault) => `<li><b>${escapeText(name)}</b> ${escapeText(fault)}</li>`));
  return items.length === 0 ? "" : `<ul class="faults">${items.join("")}</ul>`;
}
