import { invariant } from "../../../core/errors.js";
import { routes, tokenHeader, type AnswerMessage, type LabelState, type ShownQuestion, type ShownSegment } from "../protocol.js";

/** An element of the page by its id; the page and this file belong together. */
function part<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id) as Element | null;
  invariant(found instanceof kind, `the page has no ${kind.name} "${id}"`);
  return found;
}

const button = (id: string): HTMLButtonElement => part(id, HTMLButtonElement);
const text = (id: string, words: string): void => { part(id, HTMLElement).textContent = words; };

const sides = ["left", "right"] as const;
const answerButtons = (["left", "right", "tie", "skip"] as const).map((answer) => [answer, button(answer)] as const);
const dialog = part("dialog", HTMLDialogElement);
const frame = part("frame", HTMLInputElement);
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Pictures of a clip a second. */
const clipRate = 10;
const retryMs = 400;
const said = {
  left: "Left is better.", right: "Right is better.", tie: "Equally good.", skip: "Skipped.",
} as const satisfies Readonly<Record<AnswerMessage["answer"], string>>;

let state: LabelState | undefined;
/** The question whose pictures are on the screen: an answer is to this one, never to one that nobody has seen. */
let shown: string | undefined;
let loading: string | undefined;
let isBusy = false;
let films: readonly (readonly HTMLImageElement[])[] = [];
let isPlaying = !still.matches;
/** When the last answers were given, for the pace. */
let times: number[] = [];

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

function say(words: string): void {
  text("said", words);
}

function connection(kind: "saved" | "saving" | "lost"): void {
  const words = { saved: "Saved", saving: "Saving", lost: "Server is gone" };
  part("connection", HTMLElement).dataset.kind = kind;
  text("connection-text", words[kind]);
}

function notice(words: string | undefined): void {
  const place = part("notice", HTMLElement);
  place.hidden = words === undefined;
  if (words !== undefined && place.textContent !== words) place.textContent = words;
}

const goneNotice = (): string => `The server does not answer. Every label that was saved is safe; start it again to go on${state === undefined ? "" : `: difftune label … --out ${state.folder}`}`;

/** Loads the pictures of a question, and lets it be answered when both sides can be seen. */
async function ask(question: ShownQuestion): Promise<void> {
  if (loading === question.key || shown === question.key) return;
  loading = question.key;
  shown = undefined;
  enable();
  const load = ({ pictures }: ShownSegment): Promise<HTMLImageElement[]> => Promise.all(pictures.map(async (address) => {
    const image = new Image();
    image.src = address;
    image.alt = "";
    image.draggable = false;
    await image.decode();
    return image;
  }));
  let loaded: HTMLImageElement[][];
  try {
    loaded = await Promise.all([load(question.left), load(question.right)]);
  } catch {
    // The server was stopped in between: what it says when it is back comes here again.
    if (loading === question.key) loading = undefined;
    return;
  }
  if (loading !== question.key) return;
  loading = undefined;
  shown = question.key;
  films = loaded;
  for (const side of sides) text(`${side}-text`, question[side].text);
  for (const [, each] of answerButtons) each.classList.remove("chosen", "passed");
  const count = Math.max(...films.map(({ length }) => length));
  part("clip", HTMLElement).hidden = count < 2;
  part("question", HTMLElement).classList.toggle("clip", count > 1);
  frame.max = String(count - 1);
  project(isPlaying ? 0 : count - 1);
  document.body.dataset.key = question.key;
  enable();
}

/** Shows state `at` of both segments. */
function project(at: number): void {
  frame.value = String(at);
  for (const [index, side] of sides.entries()) {
    const picture = films[index]?.[Math.min(at, films[index].length - 1)];
    if (picture !== undefined) part(`${side}-picture`, HTMLElement).replaceChildren(picture);
  }
}

function play(isOn: boolean): void {
  isPlaying = isOn;
  button("play").classList.toggle("paused", !isOn);
  button("play").setAttribute("aria-label", isOn ? "Pause" : "Play");
}

function enable(): void {
  const isReady = shown !== undefined && !isBusy;
  // A disabled button would lose the focus of whoever works by keyboard.
  for (const [, each] of answerButtons) {
    each.disabled = false;
    each.setAttribute("aria-disabled", String(!isReady));
  }
  part("question", HTMLElement).setAttribute("aria-busy", String(!isReady));
}

const percent = (share: number | undefined): string => (share === undefined ? "–" : `${(100 * share).toFixed(share >= 0.995 ? 0 : 1).replace(/\.0$/, "")} %`);

/** Shows everything that the server says. */
function show(next: LabelState): void {
  if (state?.session === next.session && next.version < state.version) return;
  if (state !== undefined && state.session !== next.session) [shown, loading] = [undefined, undefined];
  const hadEnded = state?.end !== undefined;
  state = next;
  text("environment", next.environment);
  text("folder", next.folder);
  text("labelled", String(next.labelled));
  text("target", String(next.target));
  const meter = part("progress", HTMLProgressElement);
  [meter.max, meter.value] = [next.target, Math.min(next.labelled, next.target)];
  text("ties", next.labelled === 0 ? "–" : percent(next.ties / next.labelled));
  text("consistency", percent(next.consistency));
  text("repeats", next.repeats === 0 ? "" : `of ${next.repeats}`);
  button("undo").disabled = next.labelled + next.skipped + next.repeats === 0;
  showReward(next);
  notice(next.notice);
  part("question", HTMLElement).hidden = next.end !== undefined;
  part("end", HTMLElement).hidden = next.end === undefined;
  if (next.end !== undefined && !hadEnded) showEnd(next, next.end);
  text("prompt", next.question === undefined ? "Choosing the next questions …" : "Which one is better?");
  if (next.question !== undefined) void ask(next.question);
  else [shown, loading] = [undefined, undefined];
  enable();
}

function showEnd({ labelled, reward }: LabelState, end: "target" | "accuracy"): void {
  delete document.body.dataset.key;
  const accuracy = percent(reward?.validationAccuracy);
  const words = end === "target"
    ? `You have labelled ${labelled} pairs.`
    : `The reward is right on ${accuracy} of the pairs that it has never seen, after ${labelled} labels: more would change little.`;
  text("end-text", words);
  part("end-title", HTMLElement).focus();
  say(`That is enough. ${words}`);
}

function showReward({ reward, training, labelled }: LabelState): void {
  text("accuracy", percent(reward?.validationAccuracy));
  text("learned-from", reward === undefined ? "" : `from ${reward.labels} labels`);
  const map = part("map", HTMLImageElement);
  map.hidden = reward?.map === undefined;
  part("map-none", HTMLElement).hidden = !map.hidden;
  if (reward !== undefined && reward.map === undefined) text("map-none", "These features have no map.");
  else text("map-none", training === undefined ? "The map appears after 16 labels." : "The map appears when this is learned.");
  if (reward?.map !== undefined && map.getAttribute("src") !== reward.map) {
    map.src = reward.map;
    map.alt = `Heat map of the reward learned from ${reward.labels} labels, over the workspace`;
  }
  drawHistory(reward?.history ?? []);
  const bar = part("training", HTMLProgressElement);
  bar.hidden = training === undefined;
  if (training !== undefined) [bar.max, bar.value] = [training.epochs, training.epoch];
  text("train-text", training === undefined ? "Learn now" : `Learning from ${training.labels === 0 ? labelled : training.labels} labels`);
  button("train").setAttribute("aria-disabled", String(training !== undefined));
}

/** Validation accuracy after each training, from one half to one. */
function drawHistory(history: readonly (readonly [labels: number, accuracy: number])[]): void {
  const element = (name: string, attributes: Readonly<Record<string, string>>): SVGElement => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const most = Math.max(1, ...history.map(([labels]) => labels));
  const least = Math.min(most, ...history.map(([labels]) => labels));
  const x = (labels: number): number => (most === least ? 60 : (120 * (labels - least)) / (most - least));
  const y = (accuracy: number): number => 34 - 68 * (Math.max(0.5, accuracy) - 0.5);
  const points = history.map(([labels, accuracy]) => `${x(labels).toFixed(1)},${y(accuracy).toFixed(1)}`);
  // A line needs two ends; one point is a short line.
  const [first] = history;
  if (points.length === 1 && first !== undefined) points.push(`${x(first[0]) + 1},${y(first[1]).toFixed(1)}`);
  const base = element("line", { x1: "0", x2: "120", y1: "34", y2: "34" });
  part("history", SVGSVGElement).replaceChildren(base, ...(points.length === 0 ? [] : [element("polyline", { points: points.join(" ") })]));
}

/** What the server says now; waits for it as long as it is gone. */
async function refresh(): Promise<void> {
  for (;;) {
    try {
      const response = await fetch(routes.state);
      if (response.ok) {
        show(await response.json() as LabelState);
        connection("saved");
        return;
      }
    } catch {
      // It is not there.
    }
    connection("lost");
    notice(goneNotice());
    await wait(retryMs);
  }
}

/** Says something to the server until it has heard: an answer that was given is not lost because the server was away. */
async function post(route: string, message: AnswerMessage | Readonly<Record<string, never>>): Promise<void> {
  if (isBusy || state === undefined) return;
  isBusy = true;
  enable();
  const slow = setTimeout(() => { connection("saving"); }, 200);
  try {
    for (let refusals = 0; refusals < 3;) {
      let response: Response;
      try {
        const headers = { "content-type": "application/json", [tokenHeader]: state.token };
        response = await fetch(route, { method: "POST", headers, body: JSON.stringify(message) });
      } catch {
        // When it is back it has another token. If the answer was kept after all, it is for a question no longer asked, and not taken twice.
        await refresh();
        continue;
      }
      if (response.ok) {
        isBusy = false;
        show(await response.json() as LabelState);
        connection("saved");
        return;
      }
      const words = await response.text();
      refusals += 1;
      await refresh();
      if (response.status !== 403) {
        notice(words);
        return;
      }
    }
  } finally {
    clearTimeout(slow);
    isBusy = false;
    for (const [, each] of answerButtons) if (shown !== undefined) each.classList.remove("chosen", "passed");
    enable();
  }
}

function answer(choice: AnswerMessage["answer"]): void {
  if (shown === undefined || isBusy || dialog.open) return;
  for (const [name, each] of answerButtons) {
    each.classList.toggle("chosen", name === choice);
    each.classList.toggle("passed", name !== choice && (choice === "left" || choice === "right") && (name === "left" || name === "right"));
  }
  times = [...times.slice(-20), Date.now()];
  const [first, last] = [times[0]!, times.at(-1)!];
  if (times.length > 3) text("pace", String(Math.round((60_000 * (times.length - 1)) / Math.max(1, last - first))));
  void post(routes.answer, { key: shown, answer: choice }).then(() => { say(`${said[choice]} ${state?.labelled ?? 0} of ${state?.target ?? 0}.`); });
}

function undo(): void {
  void post(routes.undo, {}).then(() => { say(`Taken back. ${state?.labelled ?? 0} of ${state?.target ?? 0}.`); });
}

function train(): void {
  if (state?.training === undefined) void post(routes.train, {}).then(() => { say("Learning."); });
}

const keys: Readonly<Record<string, () => void>> = {
  arrowleft: () => { answer("left"); }, a: () => { answer("left"); },
  arrowright: () => { answer("right"); }, d: () => { answer("right"); },
  " ": () => { answer("tie"); }, s: () => { answer("skip"); },
  u: undo, r: train, p: () => { play(!isPlaying); },
  "?": () => { dialog.showModal(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const { target } = event;
  // Who has walked to a button by keyboard presses it by the space bar; arrows on the slider move it.
  if (event.key === " " && target instanceof HTMLButtonElement && target.matches(":focus-visible")) return;
  if (event.key.startsWith("Arrow") && target === frame) return;
  const action = keys[event.key.toLowerCase()];
  if (action === undefined) return;
  event.preventDefault();
  // A key that is held down is one answer.
  if (!event.repeat) action();
});

for (const [name, each] of answerButtons) each.addEventListener("click", () => { answer(name); });
for (const id of ["undo", "undo-last"]) button(id).addEventListener("click", undo);
button("train").addEventListener("click", train);
button("more").addEventListener("click", () => { void post(routes.more, {}); });
button("help").addEventListener("click", () => { dialog.showModal(); });
button("play").addEventListener("click", () => { play(!isPlaying); });
frame.addEventListener("input", () => { play(false); project(Number(frame.value)); });
still.addEventListener("change", () => { play(!still.matches); });
// After a click the space bar is for the question again, not for the button.
document.addEventListener("pointerup", () => {
  if (document.activeElement instanceof HTMLButtonElement && !document.activeElement.matches(":focus-visible")) document.activeElement.blur();
});
setInterval(() => {
  if (isPlaying && Number(frame.max) > 0) project((Number(frame.value) + 1) % (Number(frame.max) + 1));
}, 1000 / clipRate);

play(isPlaying);
const stream = new EventSource(routes.events);
stream.addEventListener("message", ({ data }: MessageEvent<string>) => {
  connection("saved");
  show(JSON.parse(data) as LabelState);
});
stream.addEventListener("error", () => {
  connection("lost");
  notice(goneNotice());
});
await refresh();
