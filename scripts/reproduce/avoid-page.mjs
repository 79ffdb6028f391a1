/** The page of results of `npm run reproduce -- avoid`: figures, tables and what they say of the paper's claims. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { groupedBars } from "../../dist/cli/report/bar-chart.js";
import { chainPanels } from "../../dist/cli/report/chain-panels.js";
import { lineChart } from "../../dist/cli/report/line-chart.js";
import { trajectoryPicture } from "../../dist/cli/report/trajectory-picture.js";
import { mean, meanInterval, shareInterval } from "../../dist/index.js";
import { methods, studies, usual, usualDemonstrations } from "./avoid-cells.mjs";
import { optionsOf } from "./avoid-recipes.mjs";
import { commandOf, Figures, duration, interval, median, number, plural, readDone, share, table, thousands } from "./page.mjs";

/** Success that counts as solved, in the column of speed. */
const solved = 0.9;
/** Iterations at the end of a run in which it is seen whether it stays there. */
const lateIterations = 10;
const networkTitles = { diffusion: "diffusion", gaussian: "Gaussian", gmm: "mixture" };

/** Writes `avoid.md` and its figures; gives the path of the page. */
export async function writePage(plan, settings, { folder, results, args }) {
  const done = await readDone(plan.cells, folder, optionsOf);
  const figures = new Figures("avoid");
  const sections = [
    opening(plan, settings, done, args),
    claims(plan, settings, done),
    pretrained(plan, settings, done),
    ...settings.sets.map((set) => comparison(set, plan, settings, done, figures)),
    ...settings.studies.map((study) => studyPages[study](plan.studies[study], done, figures, study)),
  ];
  await figures.write(results);
  const file = path.join(results, "avoid.md");
  await writeFile(file, `${sections.filter((section) => section !== undefined).join("\n\n")}\n`);
  return file;
}

function opening(plan, settings, done, args) {
  const all = [...done.values()];
  const engines = [...new Set(all.map(({ engine }) => engine.description))];
  const total = all.reduce((sum, { seconds }) => sum + seconds, 0);
  const missing = plan.cells.length - done.size;
  return `# Avoid: DPPO against the published claims

This page is written by a command; nothing in it is typed by hand:

    ${commandOf("avoid", args)}

It may be stopped and goes on where it was. ${plural(done.size, "cell")} of ${plan.cells.length} ${done.size === 1 ? "is" : "are"} done${missing === 0 ? "" : `; ${missing} are not, and leave gaps below`}.

${table(["", ""], [
    ["engine", engines.join("; ") || "–"],
    ["training and evaluation", `${duration(total)} in all, wall time of every cell with its pauses`],
    ["seeds of fine-tuning", settings.seeds.join(", ")],
    ["an iteration", `${settings.environments} environments, episodes of 100 steps; ${settings.iterations} iterations, ${Math.min(settings.iterations, settings.studyIterations)} where only a study needs them`],
    ["physics", settings.physics === "arm" ? "the seven joints of the arm, 1 ms" : "the planar model"],
    ["an evaluation", `${settings.episodes} episodes; intervals of 95 %`],
  ])}

One policy is pre-trained for each data set and network, and fine-tuned once for each seed. Curves show episodes played with the noise
of training, as the paper's do; tables tell policies as they are used ("deterministic", without the exploration noise) and with it.`;
}

/** What the finished runs of a method on a set say together; undefined where there are none. */
function summaryOf(set, method, plan, done) {
  const runs = plan.comparison.filter((run) => run.set === set && run.method === method).flatMap(({ id }) => done.get(id) ?? []);
  return runs.length === 0 ? undefined : summarise(runs);
}

function summarise(runs) {
  const iterations = Math.min(...runs.map(({ curve }) => curve.length));
  const course = Array.from({ length: iterations }, (_, place) => {
    const rows = runs.map(({ curve }) => curve[place]);
    const over = (name) => {
      const values = rows.map((row) => row[name]).filter((value) => value !== undefined);
      return values.length === 0 ? undefined : { y: mean(values), low: Math.min(...values), high: Math.max(...values) };
    };
    return { envSteps: rows[0].envSteps, success: over("success"), return: over("return") };
  });
  const pooled = (way) => {
    const evaluations = runs.map((run) => run.evaluations[way]);
    const episodes = evaluations.reduce((sum, { episodes: count }) => sum + count, 0);
    const successes = evaluations.reduce((sum, { success, episodes: count }) => sum + Math.round(success.mean * count), 0);
    return { success: shareInterval(successes, episodes), returns: meanInterval(evaluations.map((evaluation) => evaluation.return.mean)) };
  };
  const successes = course.flatMap(({ success }) => (success === undefined ? [] : [success.y]));
  return {
    runs,
    course,
    deterministic: pooled("deterministic"),
    stochastic: pooled("stochastic"),
    /** Mean success over all iterations: high where learning ends high and is fast. */
    area: successes.length === 0 ? undefined : mean(successes),
    solvedAt: course.find(({ success }) => success !== undefined && success.y >= solved)?.envSteps,
    // The median: a machine that was busy or paused for a while does not count.
    secondsEach: median(runs.flatMap(({ curve }) => curve.map(({ iterationSeconds }) => iterationSeconds))),
  };
}

function claims(plan, settings, done) {
  const rows = [];
  const say = (claim, measured, holds) => rows.push([claim, measured, holds ? "yes" : "**no**"]);
  for (const set of settings.sets) {
    const of = (method) => summaryOf(set, method, plan, done);
    const area = (method) => of(method)?.area;
    const known = settings.methods.filter((method) => area(method) !== undefined);
    const told = (names) => names.map((method) => `${methods[method].title} ${number(area(method), 2)}`).join(", ");
    const [k15, k20, k10, gaussian] = ["dppo-15", "dppo-20", "dppo-10", "gaussian"].map(area);
    if (k15 !== undefined && k20 !== undefined && known.length > 2) {
      const rest = known.filter((method) => method !== "dppo-15" && method !== "dppo-20");
      say(`${set}: K' = 15 and 20 are best and fastest`, `mean success over the run: ${told([...known].sort((a, b) => area(b) - area(a)).slice(0, 4))}`, Math.min(k15, k20) >= Math.max(...rest.map(area)));
    }
    if (k10 !== undefined && gaussian !== undefined) say(`${set}: K' = 10 is at or above the Gaussian policy`, told(["dppo-10", "gaussian"]), k10 >= gaussian);
    for (const method of ["gmm", "gmm-released", "dppo-3", "dppo-5"].filter((name) => known.includes(name))) {
      if (k10 !== undefined) say(`${set}: ${methods[method].title} is worse than K' = 10`, told([method, "dppo-10"]), area(method) < k10);
    }
    const ten = of("dppo-10");
    if (ten !== undefined && set !== "M3") {
      const { success, returns } = ten.deterministic;
      say(`${set}: K' = 10 reaches success 0.90 and return 70`, `success ${share(success)}, return ${number(returns.mean)} (deterministic, ${plural(ten.runs.length, "seed")})`, success.mean >= 0.9 && returns.mean >= 70);
    }
    const start = done.get(`pretrain/${set}-diffusion`)?.evaluations.deterministic;
    if (start !== undefined && set !== "M3") {
      const ways = Object.entries(start.modes).filter(([name]) => /^m[5-8]$/.test(name)).map(([name, count]) => `${name} ${count}`);
      say(`${set}: pre-trained success of 0.35 to 0.65, both ways present`, `success ${share(start.success)}; ${ways.join(", ")}`, start.success.mean >= 0.35 && start.success.mean <= 0.65 && ways.length >= 2);
    }
  }
  if (rows.length === 0) return undefined;
  return `## What the paper says, and what was measured\n\n${table(["claim", "measured", "holds"], rows)}`;
}

function pretrained(plan, settings, done) {
  const rows = plan.cells.filter(({ kind, network, chunk, demonstrations }) => kind === "pretrain" && chunk === usual.chunk && demonstrations === usualDemonstrations[network])
    .flatMap(({ id, set, network }) => {
      const found = done.get(id);
      if (found === undefined) return [];
      const { deterministic, stochastic } = found.evaluations;
      return [[set, networkTitles[network], share(deterministic.success), share(stochastic.success), interval(deterministic.return), counts(deterministic.modes), number(deterministic.modeEntropy, 2), thousands(found.steps), duration(found.seconds)]];
    });
  if (rows.length === 0) return undefined;
  return `## Pre-trained policies

${table(["data", "network", "success", "with exploration noise", "return", "ways and ends", "entropy of ways, nats", "gradient steps", "time"], rows)}

${optionsTold(plan.cells.filter(({ kind }) => kind === "pretrain"), done, ({ network }) => network, "How they were trained")}`;
}

/** The options of the first finished cell of each kind, folded away. */
function optionsTold(cells, done, kindOf, title) {
  const told = new Map();
  for (const cell of cells) if (done.has(cell.id) && !told.has(kindOf(cell))) told.set(kindOf(cell), `    ${kindOf(cell)}: ${JSON.stringify(done.get(cell.id).options)}`);
  return `<details><summary>${title}: options that are not the defaults</summary>\n\n${[...told.values()].join("\n")}\n\n</details>`;
}

function counts(histogram) {
  return Object.entries(histogram).sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", ");
}

function comparison(set, plan, settings, done, figures) {
  const named = settings.methods.flatMap((method) => {
    const summary = summaryOf(set, method, plan, done);
    return summary === undefined ? [] : [{ method, title: methods[method].title, summary }];
  });
  if (named.length === 0) return undefined;
  const families = [
    ["steps", "how many denoising steps are tuned", named.filter(({ method }) => method.startsWith("dppo"))],
    ["policies", "kinds of policies", named.filter(({ method }) => !method.startsWith("dppo-") || method === "dppo-10" || method === "dppo-20")],
  ];
  const charts = families.filter(([, , members]) => members.length > 0).flatMap(([family, words, members]) => ["success", "return"].map((metric) => {
    const series = members.map(({ title, summary }) => ({ name: title, points: pointsOf(summary.course, metric) }));
    return figures.show(`${set}-${family}-${metric}`, `${set}, ${words}: ${metric} by environment steps`, lineChart, {
      title: `${set}: ${metric}`, subtitle: "mean and range of the seeds", xLabel: "environment steps", series,
      ...(metric === "success" ? { low: 0, high: 1 } : {}),
    });
  }));
  const head = ["method", "seeds", "success", "with exploration noise", "return", `steps to ${solved}`, "mean success of the run", "an iteration"];
  const rows = named.map(({ title, summary: { runs, deterministic, stochastic, solvedAt, area, secondsEach } }) => [
    title, runs.length, share(deterministic.success), share(stochastic.success), runs.length > 1 ? interval(deterministic.returns) : number(deterministic.returns.mean),
    thousands(solvedAt), number(area, 2), `${number(secondsEach, 2)} s`,
  ]);
  const failures = named.map(({ title, summary: { runs } }) => [title, ...["deterministic", "stochastic"].map((way) => counts(added(runs.map((run) => run.evaluations[way].reasons))))]);
  return `## ${set}

${charts.join("\n")}

${table(head, rows)}

How the episodes after fine-tuning ended:

${table(["method", "deterministic", "with exploration noise"], failures)}

${optionsTold(plan.cells.filter((cell) => cell.kind === "finetune" && cell.set === set), done, ({ method }) => method, "How they were fine-tuned")}`;
}

function pointsOf(course, metric) {
  return course.flatMap(({ envSteps, [metric]: value }) => (value === undefined ? [] : [{ x: envSteps, ...value }]));
}

function added(histograms) {
  const all = {};
  for (const histogram of histograms) for (const [name, count] of Object.entries(histogram)) all[name] = (all[name] ?? 0) + count;
  return all;
}

/** A study in which one setting is swept: its curves, and a table of where they end. */
function sweepPage(setting, words) {
  return (members, done, figures, study) => {
    const found = members.flatMap((member) => (done.has(member.id) ? [{ ...member, run: done.get(member.id) }] : []));
    if (found.length === 0) return undefined;
    const [{ set }] = found;
    const names = [...new Set(found.map(({ method }) => method))];
    const values = [...new Set(found.map((member) => member[setting]))];
    const charts = names.length === 1 || values.length > 1
      ? names.map((method) => [`${study}-${method}`, methods[method].title, found.filter((member) => member.method === method).map((member) => ({ name: `${words.short} ${member[setting]}`, member }))])
      : [[study, `${words.short} ${values[0]}`, found.map((member) => ({ name: methods[member.method].title, member }))]];
    const drawn = charts.map(([name, title, lines]) => figures.show(name, `${set}, ${title}: return by environment steps, ${words.long}`, lineChart, {
      title: `${set}: ${title}`, subtitle: "return", xLabel: "environment steps",
      series: lines.map(({ name: line, member }) => ({ name: line, points: pointsOf(summarise([member.run]).course, "return") })),
    }));
    const rows = found.map(({ method, run, ...member }) => {
      const { deterministic, stochastic, solvedAt, area } = summarise([run]);
      return [methods[method].title, member[setting], share(deterministic.success), share(stochastic.success), number(deterministic.returns.mean), thousands(solvedAt), number(area, 2)];
    });
    return `## ${studies[study]}

${words.text} Data set ${set}, seed ${found[0].seed}.

${drawn.join("\n")}

${table(["method", words.short, "success", "with exploration noise", "return", `steps to ${solved}`, "mean success of the run"], rows)}`;
  };
}

const studyPages = {
  exploration: (members, done, figures, study) => {
    const found = members.flatMap((member) => (done.has(member.id) ? [{ ...member, ...done.get(member.id) }] : []));
    if (found.length === 0) return undefined;
    const drawn = found.map(({ set, network, evaluation }) => figures.show(`${study}-${set}-${network}`, `${set}: ways of the pre-trained ${networkTitles[network]} policy with exploration noise`, trajectoryPicture, {
      title: `${set}: ${networkTitles[network]}`, subtitle: `${evaluation.episodes} episodes, iteration 0`, environment: "avoid", trajectories: evaluation.trajectories,
    }));
    const rows = found.map(({ set, network, evaluation }) => [set, networkTitles[network], share(evaluation.success), counts(evaluation.modes), number(evaluation.modeEntropy, 2)]);
    return `## ${studies[study]}

What each policy does in its first iteration, before it has learned anything from rewards: the noise with which it explores.

${drawn.join("\n")}

${table(["data", "network", "success", "ways and ends", "entropy of ways, nats"], rows)}`;
  },
  stability: sweepPage("noise", {
    short: "noise", long: "noise on the actions from iteration 5 on, whole from 10 on",
    text: "From iteration 5 on, uniform noise of random sign is added to the actions, in half ranges of the data; from iteration 10 on its magnitude lies between half of the number below and that number.",
  }),
  chunks: sweepPage("chunk", {
    short: "actions a chunk", long: "by the number of actions of a chunk",
    text: "Policies that predict and execute longer chunks. A success needs a whole chunk behind the line, so it is harder with long ones: compare returns.",
  }),
  refinement: (members, done, figures, study) => {
    const found = members.flatMap((member) => (done.has(member.id) ? [{ ...member, ...done.get(member.id) }] : []));
    if (found.length === 0) return undefined;
    const drawn = found.flatMap(({ set, method, chains }) => chains.map(({ chain }, place) => figures.show(`${study}-${set}-${place}`, `${set}: the last denoising steps of one decision where the ways part, ${place === 0 ? "before" : "after"} fine-tuning`, chainPanels, {
      title: place === 0 ? `${set}: pre-trained` : `${set}: ${methods[method].title}`, subtitle: "first action of 200 samples, m", axes: chain.axes, steps: chain.steps,
    })));
    return `## ${studies[study]}

The first action of many samples of one decision, at the place where the two ways of the data part, over the last denoising steps.

${drawn.join("\n")}`;
  },
  robustness: (members, done, figures, study) => {
    const found = members.flatMap((member) => (done.has(member.id) ? [{ ...member, ...done.get(member.id) }] : []));
    if (found.length === 0) return undefined;
    const names = [...new Set(found.map(({ method }) => method))];
    const [{ set }] = found;
    const kinds = found[0].rows.map(({ noise, start }) => ({ noise, start }));
    const pooled = (method, { noise, start }) => {
      const rows = found.filter((member) => member.method === method).map(({ rows: all }) => all.find((row) => row.noise === noise && row.start === start));
      const episodes = rows.map(({ reasons }) => Object.values(reasons).reduce((sum, count) => sum + count, 0));
      return shareInterval(rows.reduce((sum, { success }, place) => sum + Math.round(success.mean * episodes[place]), 0), episodes.reduce((sum, count) => sum + count, 0));
    };
    const label = ({ noise, start }) => (start === "task" ? `noise ${noise}` : `${start} starts`);
    const drawn = figures.show(study, `${set}: success of fine-tuned policies under noise and from other starts`, groupedBars, {
      title: `${set}: success after fine-tuning`, subtitle: "intervals of 95 %", categories: kinds.map(label), high: 1,
      series: names.map((method) => ({ name: methods[method].title, values: kinds.map((kind) => { const { mean: value, low, high } = pooled(method, kind); return { value, low, high }; }) })),
    });
    return `## ${studies[study]}

Fine-tuned policies (data set ${set}, ${plural(new Set(found.map(({ seed }) => seed)).size, "seed")}) that meet what they were not tuned for: noise of random sign on every action, in half
ranges of the data, and starts drawn from a small and a large box around the usual one.

${drawn}

${table(["", ...names.map((method) => methods[method].title)], kinds.map((kind) => [label(kind), ...names.map((method) => share(pooled(method, kind)))]))}`;
  },
  floor: sweepPage("floor", {
    short: "floor", long: "by the floor of the sampling noise",
    text: "The least standard deviation with which a denoising step is sampled while exploring.",
  }),
  discount: sweepPage("discount", {
    short: "discount", long: "by the denoising discount",
    text: "The factor by which the advantage of a noisier denoising step counts less than that of the one after it.",
  }),
  demonstrations: sweepPage("demonstrations", {
    short: "demonstrations", long: "by the number of demonstrations",
    text: "Policies that were pre-trained on fewer or more demonstrations.",
  }),
  decay: (members, done, figures, study) => {
    const found = members.flatMap((member) => (done.has(member.id) ? [{ ...member, run: done.get(member.id) }] : []));
    if (!found.some(({ isFalling }) => isFalling)) return undefined;
    const [{ set }] = found;
    const kinds = [...new Set(found.map(({ method }) => method))].flatMap((method) => [false, true].map((isFalling) => ({
      method, isFalling, runs: found.filter((member) => member.method === method && member.isFalling === isFalling).map(({ run }) => run),
    }))).filter(({ runs }) => runs.length > 0);
    const words = (isFalling) => (isFalling ? "1e-4 to 1e-5" : "1e-4");
    const drawn = [...new Set(kinds.map(({ method }) => method))].map((method) => figures.show(`${study}-${method}`, `${set}, ${methods[method].title}: success by environment steps, by the rate`, lineChart, {
      title: `${set}: ${methods[method].title}`, subtitle: "success", xLabel: "environment steps",
      series: kinds.filter((kind) => kind.method === method).map(({ isFalling, runs }) => ({ name: `rate ${words(isFalling)}`, points: pointsOf(summarise(runs).course, "success") })),
    }));
    const rows = kinds.map(({ method, isFalling, runs }) => {
      const { deterministic, stochastic, solvedAt, area } = summarise(runs);
      const lowest = Math.min(...runs.flatMap(({ curve }) => curve.slice(-lateIterations).flatMap(({ success }) => success ?? [])));
      return [methods[method].title, words(isFalling), runs.length, share(deterministic.success), share(stochastic.success), interval(deterministic.returns), number(lowest, 2), thousands(solvedAt), number(area, 2)];
    });
    return `## ${studies[study]}

A constant rate lets a run that has long succeeded fall off its edge: the fastest ways pass close to the cylinders. Here the rate falls
to a tenth along a half cosine instead. Data set ${set}.

${drawn.join("\n")}

${table(["method", "rate", "seeds", "success", "with exploration noise", "return", `lowest of the last ${lateIterations} iterations`, `steps to ${solved}`, "mean success of the run"], rows)}`;
  },
};
