/** The page of results of `npm run reproduce -- fdpp-pusht`: figures, tables, and what they say of the paper's claims. */
import { copyFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { groupedBars } from "../../dist/cli/report/bar-chart.js";
import { heatMap } from "../../dist/cli/report/heat-map.js";
import { lineChart } from "../../dist/cli/report/line-chart.js";
import { trajectoryPicture } from "../../dist/cli/report/trajectory-picture.js";
import { mean, meanInterval, shareInterval } from "../../dist/index.js";
import { alphaName, calibration, fineTieWidth, task } from "./fdpp-cells.mjs";
import { optionsOf } from "./fdpp-recipes.mjs";
import { commandOf, Figures, duration, interval, median, number, percent, plural, readDone, share, table } from "./page.mjs";

/** What the paper reports of Push-T, before and after. */
const published = { avoid: [0, 1], success: [0.98, 0.9], length: [58.2, 120.2] };
/** What this reproduction is accepted by. */
const accepted = { startSuccess: 0.9, startAvoid: 0.05, avoid: 0.95, drop: 0.15 };
/** From which share on the way past the box is another behaviour, and below which share of its success a task is lost. */
const visible = { changed: 0.2, lost: 0.5 };
const ways = { stochastic: "eta = 1", deterministic: "eta = 0" };
/** Ways that a picture shows. */
const shownWays = 20;

/** Writes `fdpp-pusht.md`, its figures, and box and starts as JSON; gives the path of the page. */
export async function writePage(plan, settings, { folder, results, args }) {
  const done = await readDone(plan.cells, folder, optionsOf);
  const figures = new Figures("fdpp-pusht");
  const state = { plan, settings, done, figures, place: done.get(plan.starts), before: done.get(plan.before), learned: done.get(plan.reward), fine: done.get(plan.fineReward), policy: done.get(plan.policy), alphas: sweepOf(plan, done) };
  const sections = [opening, verdict, shown, calibrated, rewardSection, behaviour, tables, sweep, courses, options].map((section) => section(state, args));
  await figures.write(results);
  if (state.place !== undefined) await copyFile(path.join(folder, plan.starts, "starts.json"), path.join(results, "fdpp-pusht/starts.json"));
  const file = path.join(results, "fdpp-pusht.md");
  await writeFile(file, `${sections.filter((section) => section !== undefined).join("\n\n")}\n`);
  return file;
}

/** Share of the episodes that stay out of the box. */
function avoidance(evaluations) {
  const episodes = evaluations.reduce((sum, { episodes: count }) => sum + count, 0);
  return shareInterval(evaluations.reduce((sum, { modes }) => sum + (modes.avoidedBox ?? 0), 0), episodes);
}

function successOf(evaluations) {
  const episodes = evaluations.reduce((sum, { episodes: count }) => sum + count, 0);
  return shareInterval(evaluations.reduce((sum, { success, episodes: count }) => sum + Math.round(success.mean * count), 0), episodes);
}

/** Over several seeds the interval is that of their means. */
function lengthOf(evaluations) {
  return evaluations.length === 1 ? evaluations[0].length : meanInterval(evaluations.map(({ length }) => length.mean));
}

function measured(runs) {
  return Object.fromEntries(Object.keys(ways).map((way) => {
    const evaluations = runs.map(({ evaluations: both }) => both[way]);
    return [way, { avoid: avoidance(evaluations), success: successOf(evaluations), length: lengthOf(evaluations) }];
  }));
}

/** What is known of every alpha, by size: its finished runs, together and one by one. */
function sweepOf(plan, done) {
  const members = plan.cells.filter(({ kind, id }) => kind === "finetune" && done.has(id));
  return [...new Set(members.map(({ alpha }) => alpha))].sort((a, b) => a - b).map((alpha) => {
    const runs = members.filter((member) => member.alpha === alpha).map((member) => ({ seed: member.seed, ...done.get(member.id) }));
    return { alpha, runs, ...measured(runs) };
  });
}

/** The weight that the experiment is judged by: the one that lacks least of what is accepted, in avoiding and in keeping the task; of several the best. */
function headlineOf(alphas, before) {
  const start = measured([before]).stochastic.success.mean;
  const lack = ({ stochastic: { avoid, success } }) => Math.max(0, accepted.avoid - avoid.mean) + Math.max(0, start - success.mean - accepted.drop);
  const worth = ({ stochastic: { avoid, success } }) => avoid.mean + success.mean;
  return alphas.toSorted((a, b) => lack(a) - lack(b) || worth(b) - worth(a))[0];
}

function opening({ plan, settings, done }, args) {
  const all = [...done.values()];
  const total = all.reduce((sum, { seconds }) => sum + seconds, 0);
  const missing = plan.cells.length - done.size;
  return `# Push-T with a forbidden box: FDPP against the published experiment

This page is written by a command; nothing in it is typed by hand:

    ${commandOf("fdpp-pusht", args)}

It may be stopped and goes on where it was. ${plural(done.size, "cell")} of ${plan.cells.length} ${done.size === 1 ? "is" : "are"} done${missing === 0 ? "" : `; ${missing} are not, and leave gaps below: the same command runs them`}.

A diffusion policy that was pre-trained on Push-T runs through a box at the bottom right. A reward is learned from ${settings.pairs} pairs of
states that a scripted annotator has compared, and FDPP tunes the policy by that reward alone, while a penalty of weight alpha holds it
near the policy it was. The reward of the task is never learned from.

${table(["", ""], [
    ["engine", [...new Set(all.map(({ engine }) => engine.description))].join("; ") || "–"],
    ["time", `${duration(total)} in all; a cell that was interrupted counts from where it went on`],
    ["alpha", settings.alphas.join(", ")],
    ["seeds of fine-tuning", settings.seeds.join(", ")],
    ["an iteration", `${settings.environments} environments, ${settings.chunks} chunks each; ${settings.iterations} iterations, ${plural(settings.epochs, "epoch")} each`],
    ["a chunk is judged by", settings.advantage === "return"
      ? `the learned rewards of its states, and of the chunks that follow, each counting ${settings.gamma} of the one before; a finished episode stays for ever where it ended`
      : "the learned rewards of its states"],
    ["sampler", `DDIM, ${settings.denoisingSteps} steps, all of them tuned; eta = 1 while learning, with a deviation of at least ${settings.stdFloor} (at least ${settings.actingFloor} where policies are measured)`],
    ["an evaluation", `${settings.episodes} episodes of at most ${task.maxSteps} steps; success is a coverage of ${percent(task.successCoverage)}; failures count ${task.maxSteps} steps; intervals of 95 %`],
  ])}`;
}

function verdict({ before, alphas }) {
  if (before === undefined) return undefined;
  const rows = [];
  const say = (claim, words, holds) => rows.push([claim, words, holds ? "yes" : "**no**"]);
  const start = measured([before]).stochastic;
  say("the pre-trained policy solves at least 90 % of its episodes", share(start.success), start.success.mean >= accepted.startSuccess);
  say("it avoids the box in at most 5 %", share(start.avoid), start.avoid.mean <= accepted.startAvoid);
  const best = headlineOf(alphas, before);
  if (best !== undefined) {
    const { avoid, success, length } = best.stochastic;
    const told = `alpha ${best.alpha}, ${plural(best.runs.length, "seed")}`;
    say("after FDPP at least 95 % avoid it", `${share(avoid)} (${told})`, avoid.mean >= accepted.avoid);
    say("success drops by at most 15 points", `${percent(start.success.mean)} → ${share(success)} (${told})`, start.success.mean - success.mean <= accepted.drop);
    say("episodes get longer", `${number(start.length.mean)} → ${interval(length)} steps (${told})`, length.mean > start.length.mean);
  }
  const of = (alpha) => alphas.find((each) => each.alpha === alpha)?.stochastic;
  const [free, held] = [of(0), of(10)];
  if (free !== undefined) say("alpha = 0 visibly loses the task", `success ${share(free.success)}`, free.success.mean <= visible.lost * start.success.mean);
  if (held !== undefined) say("alpha = 10 visibly does not change the behaviour", `${share(held.avoid)} avoid the box`, held.avoid.mean <= visible.changed);
  return `## What the paper says, and what was measured

${table(["claim", "measured", "holds"], rows)}${best === undefined ? "" : `

The weight that these lines judge by is the one that lacks least of both, avoiding the box and keeping the task.`}`;
}

function shown({ policy }) {
  if (policy === undefined) return undefined;
  const { taken, ways, demonstrations, demonstrationSteps, steps, loss, starts } = policy;
  const heading = "## What the policy was shown";
  if (taken !== undefined) return `${heading}\n\nThe policy was taken as it is, from ${taken}.`;
  const told = ({ forbiddenBox, skipSteps, along }) => [
    forbiddenBox === undefined ? "as the planner goes by itself, which is through the box" : "round the box",
    ...(skipSteps === undefined ? [] : [`without its first ${skipSteps} steps`]),
    ...(along === undefined ? [] : [`from states beside that way (±${along.jitterPx} px, ±${along.jitterAngle} rad), later than its first ${along.from} steps`]),
  ].join(", ");
  return `${heading}

A planner on the physics demonstrates, with a hand that shakes, from around ${plural(starts.length, "start")} from which it can go both ways: ${demonstrations} episodes, ${demonstrationSteps} steps. Both
ways are shown, but from the start the way round is rare, so that the policy takes the other one.

${table(["episodes", "way"], ways.map((way) => [way.count, told(way)]))}

Pre-training: ${steps} gradient steps, loss ${number(loss, 4)}.`;
}

/** Where the candidates come from, if they are not the first seeds of the standard reset. */
function originOf({ moved }) {
  if (moved === undefined) return "";
  return ` (${plural(moved.states, "start")} that it was trained from, moved by up to ${number(moved.jitterPx)} px and ${number(moved.jitterAngle, 2)} rad)`;
}

function calibrated({ place }) {
  if (place === undefined) return undefined;
  const { box, starts, reached, proved, good } = place;
  const isFirst = JSON.stringify(box) === JSON.stringify(calibration.firstBox);
  return `## The box and the starts

The paper gives neither; they are found by a written procedure. From each of ${reached.candidates} candidate starts${originOf(reached)} the pre-trained policy plays ${calibration.rollouts} episodes
(${percent(reached.success)} of all succeed). A start qualifies for a box if all of them enter it within the first ${task.earlySteps} steps, and if start, block and goal lie
outside it, so that there is a way around. ${isFirst ? "The first box of the procedure has enough of them" : `The first box of the procedure has fewer than ${calibration.leastStarts}; of ${reached.tried} boxes at the bottom right, of sides from 100 to 160 px, this one has most`}: **${box.x0} to ${box.x1} × ${box.y0} to ${box.y1} px**, with ${plural(reached.qualifying, "start")}.
Those with most successes were proved by ${calibration.trials} episodes each with the jitter of the experiment (±${calibration.jitterPx} px, ±${calibration.jitterAngle} rad); ${good} of them enter the box in at least ${percent(calibration.leastEntering)} and
succeed in at least ${percent(calibration.leastSuccess)}. The experiment draws one of ${plural(starts.states.length, "start")} for every episode: [starts.json](fdpp-pusht/starts.json).

${table(["start: agent x, y", "block x, y", "angle", "enters the box", "succeeds"], starts.states.map(([ax, ay, bx, by, angle], index) => [
    `${number(ax)}, ${number(ay)}`, `${number(bx)}, ${number(by)}`, number(angle, 2), percent(proved[index].entering), percent(proved[index].success),
  ]))}`;
}

function rewardSection({ place, learned, fine, figures, settings }) {
  if (learned === undefined || place === undefined) return undefined;
  const { calibration: fit, course, heldStates, map, pairs, places, ties } = learned;
  const last = course.at(-1);
  const best = course[Math.max(0, last.bestEpoch - 1)];
  const drawn = figures.show("reward", "The learned reward over the workspace, with the box and the states that were compared", heatMap, {
    title: "Learned reward", subtitle: `${pairs} pairs`, axes: ["x, px", "y, px"], grid: map, box: place.box, points: places,
  });
  const judged = (value, holds) => (value === undefined ? "–" : `${number(value, 2)}, ${holds(value) ? "holds" : "**does not hold**"}`);
  const row = (what, limit, of, holds) => [what, limit, ...[learned, fine].map((each) => judged(each && of(each), holds))];
  return `## The learned reward (figure 3)

Pairs of end-effector places from the first ${task.earlySteps} steps of the pre-trained policy's episodes, ${pairs} of them labelled by script (inside the box −1, outside the distance to it, up to ${settings.reach} px, which is 1; ${ties} ties, closer than ${settings.tieWidth},
which do not count), 85 % to learn from. Dots are the states that pairs were drawn from.

${drawn}

${table(["", "wanted", `ties below ${settings.tieWidth}`, `ties below ${fineTieWidth}`], [
    row("mean reward inside the box", "< −0.5", ({ acceptance }) => acceptance.inside, (value) => value < -0.5),
    row("mean reward of visited states outside", "> 0.3", ({ acceptance }) => acceptance.sampledOutside, (value) => value > 0.3),
    row("mean magnitude farther than 60 px from all visited states", "< 0.35", ({ acceptance }) => acceptance.far, (value) => value < 0.35),
    row(`rank correlation with the true score, ${heldStates} held-out states`, "≥ 0.9", ({ correlation }) => correlation, (value) => value >= 0.9),
  ])}

FDPP learns from the reward of the wide ties. What the annotator finds alike it does not order, so they hold the rank correlation down; but they
leave the reward flat outside the box: the way round it, of which few states are labelled, is not taught to be worse than places farther
away. An annotator that finds fewer places alike, as the specification proposes (the other column), teaches their order, and that the way
round is nearly as bad as the box.

On ${fit.pairs} validation pairs: accuracy ${percent(fit.accuracy)}, mean −ln P ${number(fit.logLoss, 3)}, expected calibration error ${number(fit.expectedError, 3)}, temperature ${number(fit.temperature, 2)}. Training took ${plural(last.epoch, "epoch")}; the
parameters are those of epoch ${last.bestEpoch} (training accuracy ${percent(best.accuracy)}).`;
}

/** The ways of the first seed. */
function picture(figures, name, title, run, box, way = "stochastic") {
  const { trajectories, episodes, modes } = run.evaluations[way];
  const shown = trajectories.slice(0, shownWays);
  return figures.show(name, `${title}: ways of the agent`, trajectoryPicture, {
    title, subtitle: `${percent((modes.avoidedBox ?? 0) / episodes)} avoid the box`, environment: "pusht", forbiddenBox: box, trajectories: shown, width: 300,
  });
}

function behaviour({ place, before, alphas, figures }) {
  if (place === undefined || before === undefined || alphas.length === 0) return undefined;
  const best = headlineOf(alphas, before);
  const [run] = best.runs;
  return `## Behaviour before and after (figure 4)

${shownWays} episodes each, from the same starts, ${ways.stochastic}; after: alpha ${best.alpha}, seed ${run.seed}.

${picture(figures, "behaviour-before", "Pre-trained", before, place.box)}
${picture(figures, "behaviour-after", `FDPP, alpha ${best.alpha}`, run, place.box)}`;
}

function tables({ before, alphas }) {
  if (before === undefined || alphas.length === 0) return undefined;
  const best = headlineOf(alphas, before);
  const start = measured([before]);
  const rows = (way) => [
    [`avoids the box, ${ways[way]}`, share(start[way].avoid), share(best[way].avoid)],
    [`success, ${ways[way]}`, share(start[way].success), share(best[way].success)],
    [`length, steps, ${ways[way]}`, interval(start[way].length), interval(best[way].length)],
  ];
  const paper = { avoid: published.avoid.map(percent), success: published.success.map(percent), length: published.length.map((value) => number(value)) };
  const beside = (list) => list.map(([name, from, to], index) => [name, from, to, ...Object.values(paper)[index]]);
  return `## Tables I and II, the rows of Push-T

Alpha ${best.alpha}, ${plural(best.runs.length, "seed")}; the paper gives one number each.

${table(["", "pre-trained", "FDPP", "paper: pre-trained", "paper: FDPP"], [...beside(rows("stochastic")), ...beside(rows("deterministic"))])}`;
}

function sweep({ place, before, alphas, figures }) {
  if (place === undefined || before === undefined || alphas.length === 0) return undefined;
  const start = measured([before]);
  const panels = [
    picture(figures, "behaviour-before", "Pre-trained", before, place.box),
    ...alphas.map(({ alpha, runs }) => picture(figures, `ways-${alphaName(alpha).replace(".", "-")}`, `alpha ${alpha}`, runs[0], place.box)),
  ];
  const categories = alphas.map(({ alpha }) => String(alpha));
  const bar = ({ mean: value, low, high }) => ({ value, low, high });
  const bars = (name, title, subtitle, key, more) => figures.show(name, `${title} by the weight of the divergence`, groupedBars, {
    title, subtitle, categories: ["pre-trained", ...categories], xLabel: "alpha",
    series: Object.entries(ways).map(([way, words]) => ({ name: words, values: [start, ...alphas].map((each) => bar(each[way][key])) })), ...more,
  });
  return `## The weight of the divergence (figures 5 and 6)

Large weights leave the policy as it was; small ones let it keep out of the box at the price of the task.

${panels.join("\n")}

${bars("sweep-avoid", "Episodes that avoid the box", "intervals of 95 %", "avoid", { high: 1 })}
${bars("sweep-success", "Success", "intervals of 95 %", "success", { high: 1 })}
${bars("sweep-length", "Length of an episode", "steps", "length", { high: task.maxSteps })}

${table(["alpha", "seeds", ...Object.values(ways).flatMap((words) => [`avoids, ${words}`, `success, ${words}`, `length, ${words}`]), "divergence, nats a chunk", "an iteration"], [
    ["pre-trained", "", ...Object.keys(ways).flatMap((way) => [share(start[way].avoid), share(start[way].success), number(start[way].length.mean)]), "0", "–"],
    ...alphas.map((each) => [
      each.alpha, each.runs.length, ...Object.keys(ways).flatMap((way) => [share(each[way].avoid), share(each[way].success), number(each[way].length.mean)]),
      number(mean(each.runs.map(({ curve }) => curve.at(-1).kl ?? Number.NaN)), 2), `${number(median(each.runs.flatMap(({ curve }) => curve.map(({ iterationSeconds }) => iterationSeconds))), 1)} s`,
    ]),
  ])}`;
}

function courses({ before, alphas, figures, settings }) {
  if (before === undefined || alphas.length === 0) return undefined;
  const start = measured([before]).stochastic;
  /** Mean and range of the seeds at every place that all of them have reached. */
  const lineOf = (runs, list, key) => {
    const count = Math.min(...runs.map((run) => run[list].length));
    return Array.from({ length: count }, (_, at) => {
      const values = runs.map((run) => run[list][at][key]).filter((value) => value !== undefined);
      return values.length === 0 ? [] : [{ x: runs[0][list][at].iteration + 1, y: mean(values), low: Math.min(...values), high: Math.max(...values) }];
    }).flat();
  };
  const course = (name, title, subtitle, list, key, more) => figures.show(name, `${title} by iteration, for every weight`, lineChart, {
    title, subtitle, xLabel: "iteration", series: alphas.map(({ alpha, runs }) => ({ name: `alpha ${alpha}`, points: lineOf(runs, list, key) })), ...more,
  });
  const against = (y) => ({ references: [{ y, label: "pre-trained" }] });
  return `## While learning

Every ${settings.every} iterations ${settings.everyEpisodes} episodes with ${ways.stochastic}; reward and divergence of every iteration's own rollout. Mean and range of the seeds.

${course("course-avoid", "Episodes that avoid the box", "share", "way", "avoid", { low: 0, high: 1, ...against(start.avoid.mean) })}
${course("course-success", "Success", "share", "way", "success", { low: 0, high: 1, ...against(start.success.mean) })}
${course("course-length", "Length of an episode", "steps", "way", "length", against(start.length.mean))}
${course("course-reward", "Learned reward of a chunk", "mean of the rollout", "curve", "chunkReward")}
${course("course-divergence", "Divergence from the pre-trained policy", "nats a chunk", "curve", "kl")}`;
}

function options({ plan, done }) {
  const told = new Map();
  for (const { id, kind } of plan.cells) {
    const found = done.get(id)?.options;
    if (found !== undefined && !told.has(kind)) told.set(kind, `    ${kind}: ${JSON.stringify(found)}`);
  }
  if (told.size === 0) return undefined;
  return `<details><summary>How they were trained: options that are not the defaults</summary>\n\n${[...told.values()].join("\n")}\n\n</details>`;
}
