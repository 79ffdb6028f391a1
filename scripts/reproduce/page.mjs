/** What pages of results are made of. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { standalone } from "../../dist/cli/report/svg.js";
import { isSame } from "./cells.mjs";

/** What the finished cells wrote, by id. */
export async function readDone(cells, folder, optionsOf) {
  const done = new Map();
  for (const cell of cells) {
    const text = await readFile(path.join(folder, cell.id, "cell.json"), "utf8").catch(() => undefined);
    const found = text === undefined ? undefined : JSON.parse(text);
    if (found !== undefined && isSame(found, cell, optionsOf(cell))) done.set(cell.id, found);
  }
  return done;
}

/** The drawings of the page, by file name. */
export class Figures {
  #place;
  #files = new Map();

  /** @param place name of the folder beside the page that takes them */
  constructor(place) {
    this.#place = place;
  }

  /** Keeps a drawing and gives the line that shows it. */
  show(name, description, draw, content) {
    this.#files.set(name, draw({ id: name, description, ...content }));
    return `![${description}](${this.#place}/${name}.svg)`;
  }

  /** Writes them into the folder of results, in place of those of an earlier page. */
  async write(results) {
    const place = path.join(results, this.#place);
    await rm(place, { recursive: true, force: true });
    await mkdir(place, { recursive: true });
    for (const [name, markup] of this.#files) await writeFile(path.join(place, `${name}.svg`), standalone(markup));
  }
}

/** Flags that say where things lie and how fast they run: whoever repeats the command has others. */
const placeFlags = new Set(["--report", "--force", "--out", "--results", "--jobs", "--threads", "--engine"]);
const switches = new Set(["--report", "--force"]);

/** The command that a page is written by, as others can repeat it: files by their names alone. */
export function commandOf(name, args) {
  const words = [];
  for (let at = 0; at < args.length; at++) {
    const [flag] = args[at].split("=");
    const value = args[at].includes("=") || switches.has(flag) || !flag.startsWith("--") ? undefined : args[at + 1];
    if (value !== undefined) at += 1;
    if (!placeFlags.has(flag)) words.push(args[at - (value === undefined ? 0 : 1)], ...(value === undefined ? [] : [path.basename(value)]));
  }
  return ["npm run reproduce --", name, ...words].join(" ");
}

// Numbers as people read them.
export const percent = (share) => (share === undefined ? "–" : `${(100 * share).toFixed(0)} %`);
export const share = ({ mean: value, low, high }) => `${percent(value)} (${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)})`;
export const number = (value, digits = 1) => (value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits));
export const interval = ({ mean: value, low, high }, digits = 1) => `${number(value, digits)} (${number(low, digits)} to ${number(high, digits)})`;
export const thousands = (value) => (value === undefined ? "–" : value.toLocaleString("en"));
export const duration = (seconds) => (seconds < 120 ? `${seconds.toFixed(0)} s` : seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`);
export const table = (head, rows) => [`| ${head.join(" | ")} |`, `|${head.map(() => "---").join("|")}|`, ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n");
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
