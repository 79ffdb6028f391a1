/**
 * Every colour of a chart: on white, and on the dark page. The series are told apart by all common kinds of colour
 * blindness (after Okabe and Ito), and have at least 3:1 against their ground.
 */
export const inks = {
  ink: ["#1b222c", "#e8ebef"],
  muted: ["#5b6470", "#a3acb8"],
  axis: ["#8a929d", "#6b7480"],
  grid: ["#e6e9ed", "#2b323b"],
  surface: ["#ffffff", "#161b22"],
  panel: ["#f7f8fa", "#1c222a"],
  onColour: ["#ffffff", "#0d1117"],
  series0: ["#0b6bb3", "#58aef0"],
  series1: ["#d15a00", "#ff9a52"],
  series2: ["#00805f", "#35c79c"],
  series3: ["#a8528c", "#e39ccb"],
  series4: ["#8a6d00", "#e3bf45"],
  series5: ["#2c8fb0", "#8ed3ea"],
  series6: ["#6b5bbd", "#b3a6f5"],
  series7: ["#5b6470", "#a3acb8"],
  before: ["#8f99a6", "#7d8896"],
  after: ["#0b6bb3", "#58aef0"],
  good: ["#00805f", "#35c79c"],
  bad: ["#c3362b", "#ff7a6e"],
  cylinder: ["#3e4450", "#9aa4b2"],
  goal: ["#1f77b4", "#4b9fdc"],
} as const satisfies Readonly<Record<string, readonly [light: string, dark: string]>>;

/** Name of a colour of {@link inks}. */
export type Ink = keyof typeof inks;

const seriesInks = ["series0", "series1", "series2", "series3", "series4", "series5", "series6", "series7"] as const satisfies readonly Ink[];

/** The colour of series `index`; after the eighth they come round again. */
export function seriesInk(index: number): Ink {
  return seriesInks[index % seriesInks.length]!;
}

/** A colour that is the same on light and on dark ground: one that stands for a number. */
export type FixedColour = `#${string}`;

/** Attributes of an SVG element. `fill` and `stroke` are names of {@link inks}, or fixed; what is undefined is left out. */
export interface Attributes {
  readonly fill?: Ink | FixedColour | "none" | undefined;
  readonly stroke?: Ink | FixedColour | "none" | undefined;
  readonly [name: string]: string | number | undefined;
}

/** A text made safe for the content and for the attributes of HTML and XML; control characters and halves of letters, which XML forbids, are dropped. */
export function escapeText(text: string): string {
  // eslint-disable-next-line no-control-regex -- looks for the control characters themselves
  const allowed = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}/gu, "");
  return allowed.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** A coordinate, px, to a tenth, as short as it can be written. */
export function coordinate(value: number): string {
  const rounded = Math.round(value * 10) / 10;
  return String(rounded === 0 ? 0 : rounded);
}

/**
 * One SVG element as text. Colours become attributes for light ground, which every viewer understands, and classes that
 * {@link darkRules} recolours. Children are markup: text passes {@link escapeText} first.
 */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const { fill, stroke, class: own, ...others } = attributes;
  const classes = [own, ...[["f", fill], ["s", stroke]].filter(([, ink]) => ink !== undefined && isInk(ink)).map(([kind, ink]) => `${kind}-${ink}`)];
  const all: Record<string, string | number | undefined> = {
    class: classes.filter((word) => word !== undefined).join(" ") || undefined,
    fill: lightColour(fill),
    stroke: lightColour(stroke),
    ...others,
  };
  let markup = `<${name}`;
  for (const [key, value] of Object.entries(all)) {
    if (value !== undefined) markup += ` ${key}="${typeof value === "number" ? coordinate(value) : escapeText(value)}"`;
  }
  return children.length === 0 ? `${markup}/>` : `${markup}>${children.join("")}</${name}>`;
}

function isInk(colour: string): colour is Ink {
  return Object.hasOwn(inks, colour);
}

function lightColour(colour: string | undefined): string | undefined {
  return colour !== undefined && isInk(colour) ? inks[colour][0] : colour;
}

/** A line of text in a chart. */
export interface TextStyle {
  readonly fill?: Ink;
  /** Font size, px. Default 11. */
  readonly size?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly weight?: number;
}

/** Text with its baseline at y. */
export function textAt(x: number, y: number, text: string, style: TextStyle = {}): string {
  const { fill = "muted", size = 11, anchor, weight } = style;
  return element("text", { x, y, fill, "font-size": size, "text-anchor": anchor, "font-weight": weight }, escapeText(text));
}

/** Widths of letters in em, of a common sans-serif face, on the generous side. */
function letterWidth(letter: string): number {
  if (/[iljtfI.,:;'|! ]/.test(letter)) return 0.35;
  if (/[mwMW@%]/.test(letter)) return 0.93;
  if (/[A-Z]/.test(letter)) return 0.7;
  return letter > "\u2e80" ? 1 : 0.62;
}

/** About how wide a text will be, px: fonts differ, so that this errs to the wide side. */
export function textWidth(text: string, size: number): number {
  let width = 0;
  for (const letter of text) width += letterWidth(letter);
  return width * size;
}

/** The text, or as much of its beginning as fits into `width` px, with an ellipsis. */
export function fitText(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text;
  const letters = Array.from(text);
  while (letters.length > 1 && textWidth(`${letters.join("")}…`, size) > width) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}

/** What every chart has. */
export interface ChartName {
  /** Unique in its page: letters, digits and hyphens. */
  readonly id: string;
  /** Shown above the chart. */
  readonly title: string;
  /** What the chart says, in a sentence or two, for those who do not see it. */
  readonly description: string;
  /** Unit, or what is measured: a few muted words beside the title. */
  readonly subtitle?: string | undefined;
  /** Width, px; letters keep their size. Default 440. */
  readonly width?: number | undefined;
}

/** Faces that machines have; a chart brings none. */
export const fontFamily = "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** Width of a chart, px: what a phone shows without making it smaller by much. */
export const chartWidth = 440;

/** A whole chart: `body` in a frame that has a name and a description, `height` px high. It scales with its place. */
export function chart({ id, title, description, width = chartWidth }: ChartName, height: number, body: string): string {
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      class: "chart",
      viewBox: `0 0 ${coordinate(width)} ${coordinate(height)}`,
      width,
      height,
      role: "img",
      "aria-labelledby": `${id}-title ${id}-text`,
      "font-family": fontFamily,
    },
    element("title", { id: `${id}-title` }, escapeText(title)),
    element("desc", { id: `${id}-text` }, escapeText(description)),
    body,
  );
}

/** CSS rules that turn charts dark; a page puts them under its own condition. */
export const darkRules = Object.entries(inks).map(([name, [, dark]]) => `.f-${name}{fill:${dark}}.s-${name}{stroke:${dark}}`).join("");

/** Room around a chart that is a file, px. */
const margin = 12;

/**
 * A chart as a file of its own: with a ground, and dark where its reader is. Editors and typesetters that know no CSS
 * show it light.
 *
 * @param markup what a chart function of this folder gave
 */
export function standalone(markup: string): string {
  const end = markup.indexOf(">") + 1;
  const head = markup.slice(0, end).replace(/viewBox="0 0 (\S+) (\S+)" width="\S+" height="\S+"/, (_, width: string, height: string) => {
    const [across, down] = [Number(width) + 2 * margin, Number(height) + 2 * margin].map(coordinate) as [string, string];
    return `viewBox="${-margin} ${-margin} ${across} ${down}" width="${across}" height="${down}"`;
  });
  const style = element("style", {}, `@media (prefers-color-scheme:dark){${darkRules}}`);
  const ground = element("rect", { x: -margin, y: -margin, width: "100%", height: "100%", fill: "surface" });
  return `${head}${style}${ground}${markup.slice(end)}\n`;
}
