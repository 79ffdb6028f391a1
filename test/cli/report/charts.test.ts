import { describe, expect, test } from "vitest";
import { groupedBars, stackedBars } from "../../../src/cli/report/bar-chart.js";
import { chainPanels } from "../../../src/cli/report/chain-panels.js";
import { lineChart, thin, type LinePoint } from "../../../src/cli/report/line-chart.js";
import { darkRules, escapeText, fitText, inks, standalone, textWidth } from "../../../src/cli/report/svg.js";
import { trajectoryPicture, type Trajectory } from "../../../src/cli/report/trajectory-picture.js";

const name = { id: "it", title: "Title", description: "What it says." };
const hostile = `<script>alert("&'1')</script>\u0000\ud800`;

/** The attributes of every element of a kind. */
function elements(markup: string, kind: string): Readonly<Record<string, string>>[] {
  return [...markup.matchAll(new RegExp(`<${kind}((?: [\\w:-]+="[^"]*")*)/?>`, "g"))].map(([, attributes = ""]) =>
    Object.fromEntries([...attributes.matchAll(/ ([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!])));
}

/** The curves of a line chart: paths of the width of a curve. */
function curves(markup: string): string[] {
  return elements(markup, "path").filter((path) => path["stroke-width"] === "2" && path.fill === "none" && path["stroke-linejoin"] === "round").map(({ d }) => d!);
}

describe("text", () => {
  test("of any kind is content, never markup, and never breaks XML", () => {
    const safe = escapeText(hostile);
    for (const letter of ["<", ">", '"', "'", "\u0000", "\ud800"]) expect(safe).not.toContain(letter);
    expect(safe).toContain("&#60;script&#62;");
  });

  test("is cut where it does not fit, with an ellipsis", () => {
    expect(fitText("short", 200, 11)).toBe("short");
    const cut = fitText("a very long name of a run that nobody can read", 100, 11);
    expect(cut).toMatch(/^a very.*…$/);
    expect(textWidth(cut, 11)).toBeLessThanOrEqual(100);
  });
});

describe("every chart", () => {
  const all: readonly (readonly [string, (texts: typeof name) => string])[] = [
    ["line chart", (texts) => lineChart({ ...texts, subtitle: texts.title, xLabel: texts.title, series: [{ name: texts.title, points: [{ x: 0, y: 1 }], marks: [{ x: 0, y: 1 }] }, { name: texts.title, points: [] }], isInspectable: true, references: [{ y: 1, label: texts.title }] })],
    ["bar chart", (texts) => groupedBars({ ...texts, categories: [texts.title], series: [{ name: texts.title, values: [{ value: 1 }] }, { name: texts.title, values: [undefined] }], xLabel: texts.title })],
    ["stack of bars", (texts) => stackedBars({ ...texts, parts: [texts.title], rows: [{ name: texts.title, values: [1] }], format: String })],
    ["picture of ways", (texts) => trajectoryPicture({ ...texts, environment: "avoid", trajectories: [{ points: [0.5, 0], success: false, label: texts.title, reason: texts.title }] })],
    ["picture of denoising", (texts) => chainPanels({ ...texts, axes: [texts.title, texts.title], steps: [{ step: 0, points: [0, 0] }] })],
  ];

  test.each(all)("%s has a name and a description that its picture refers to", (_, draw) => {
    const markup = draw(name);
    expect(markup).toMatch(/^<svg [^>]*role="img" aria-labelledby="it-title it-text"/);
    expect(markup).toContain('<title id="it-title">Title</title><desc id="it-text">What it says.</desc>');
  });

  test.each(all)("%s lets no hostile name through, nor a number that is none", (_, draw) => {
    const markup = draw({ ...name, title: hostile, description: hostile });
    for (const text of ["<script", "\u0000"]) expect(markup).not.toContain(text);
    expect(markup).not.toMatch(/NaN|undefined|Infinity/);
  });

  test.each(all)("%s has colours of its own for light ground and a class for dark ground at each", (_, draw) => {
    const painted = [...draw(name).matchAll(/<[a-z]+ (?:class="([^"]*)" )?[^>]*?(?:fill|stroke)="(#[0-9a-f]{6})"/g)];
    expect(painted.length).toBeGreaterThan(0);
    for (const [element, classes = ""] of painted) expect(classes, element).toMatch(/\b[fs]-\w+/);
  });

  test.each(all)("%s stands alone as a file, with a ground and its dark colours", (_, draw) => {
    const file = standalone(draw(name));
    expect(file).toContain(`<style>@media (prefers-color-scheme:dark){${darkRules}}</style>`);
    expect(file).toContain('<rect class="f-surface" fill="#ffffff" x="-12" y="-12" width="100%" height="100%"/>');
    const [, left, width, whole] = /viewBox="(-?\d+) -12 ([\d.]+) [\d.]+" width="([\d.]+)"/.exec(file)!.map(Number) as [number, number, number, number];
    expect([left, width, whole]).toEqual([-12, 464, 464]);
  });
});

test("colours of series can be told from the ground, light and dark", () => {
  const luminance = (colour: string): number => {
    const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string): number => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (high + 0.05) / (low + 0.05);
  };
  for (const [key, [light, dark]] of Object.entries(inks)) {
    if (!key.startsWith("series") && !["good", "bad", "after", "goal"].includes(key)) continue;
    expect(contrast(light, inks.surface[0]), `${key} on white`).toBeGreaterThanOrEqual(3);
    expect(contrast(dark, inks.surface[1]), `${key} on the dark ground`).toBeGreaterThanOrEqual(3);
  }
  for (const ground of ["surface", "panel"] as const) {
    for (const text of ["ink", "muted"] as const) {
      for (const mode of [0, 1] as const) expect(contrast(inks[text][mode], inks[ground][mode]), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});

describe("a line chart", () => {
  const line = (points: readonly LinePoint[], more: object = {}): string => lineChart({ ...name, xLabel: "steps", series: [{ name: "one", points }], ...more });

  test("puts higher values higher and later ones to the right", () => {
    const [curve] = curves(line([{ x: 0, y: 0 }, { x: 10, y: 1 }]));
    const [, x0, y0, x1, y1] = /^M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)$/.exec(curve!)!.map(Number) as [number, number, number, number, number];
    expect(x1).toBeGreaterThan(x0);
    expect(y1).toBeLessThan(y0);
  });

  test("has a gap where a value is no number, and a dot where one stands alone", () => {
    const [curve] = curves(line([{ x: 0, y: 1 }, { x: 1, y: 2 }, { x: 2, y: Number.NaN }, { x: 3, y: 3 }]));
    expect(curve).toMatch(/^M[\d. ]+L[\d. ]+M[\d. ]+h0\.01$/);
  });

  test("on a logarithmic axis has a gap where a value has no logarithm", () => {
    const [curve] = curves(line([{ x: 0, y: 1 }, { x: 1, y: 0 }, { x: 2, y: 100 }, { x: 3, y: 10 }], { isLogarithmic: true }));
    expect(curve).toMatch(/^M[\d. ]+h0\.01M[\d. ]+L[\d. ]+$/);
  });

  test("draws a band between the bounds, in parts where they are missing in between", () => {
    const points = [0, 1, 2, 3, 4].map((x): LinePoint => (x === 2 ? { x, y: 1 } : { x, y: 1, low: 0, high: 2 }));
    const [band] = elements(line(points), "path").filter((path) => path["fill-opacity"] === "0.16");
    expect(band!.d!.match(/M[^Z]+Z/g)).toHaveLength(2);
  });

  test("shows whole bands: the axis reaches to their bounds", () => {
    const labels = [...line([{ x: 0, y: 1, low: -40, high: 40 }, { x: 1, y: 1, low: -40, high: 40 }]).matchAll(/>(−?\d+)<\/text>/g)].map(([, text]) => text);
    expect(labels).toEqual(expect.arrayContaining(["−40", "40"]));
  });

  test("says so where there is no data", () => {
    expect(line([])).toContain("no data");
    expect(line([{ x: 0, y: Number.NaN }])).toContain("no data");
    expect(line([{ x: 0, y: 1 }])).not.toContain("no data");
  });

  test("names several series, each with a sign of its own; one series needs no legend", () => {
    const two = lineChart({ ...name, xLabel: "steps", series: [{ name: "first", points: [{ x: 0, y: 1 }] }, { name: "second", points: [{ x: 0, y: 2 }] }] });
    expect(two).toContain(">first</text>");
    expect(two).toContain(">second</text>");
    expect(line([{ x: 0, y: 1 }])).not.toContain(">one</text>");
    const shapes = elements(two, "path").filter((path) => path.stroke === inks.surface[0]).map(({ d }) => d);
    expect(new Set(shapes).size).toBe(2);
  });

  test("tells the numbers of single measurements, with their bounds", () => {
    expect(line([{ x: 0, y: 1 }], { series: [{ name: "one", points: [], marks: [{ x: 0, y: 0.5, low: 0.25, high: 0.75 }] }] })).toContain("<title>one, evaluated: 0.500 (0.250 to 0.750)</title>");
  });

  test("of a very long run stays small and keeps its peaks", () => {
    const points = Array.from({ length: 100_000 }, (_, x): LinePoint => ({ x, y: x === 51_234 ? 100 : Math.sin(x / 500) }));
    const kept = thin(points);
    expect(kept.length).toBeLessThan(450);
    expect(kept).toContain(points[51_234]);
    expect([kept[0], kept.at(-1)]).toEqual([points[0], points.at(-1)]);
    expect(kept.every(({ x }, index) => index === 0 || x > kept[index - 1]!.x)).toBe(true);
    expect(line(points).length).toBeLessThan(20_000);
  });
});

test("the axis of counts is marked at whole numbers", () => {
  const markup = lineChart({ ...name, xLabel: "iteration", series: [{ name: "one", points: [{ x: 0, y: 50 }, { x: 1, y: 60 }, { x: 2, y: 70 }] }] });
  const labels = [...markup.matchAll(/text-anchor="middle">([^<]*)</g)].map(([, text]) => text);
  expect(labels).toEqual(["0", "1", "2", "iteration"]);
});

describe("bars", () => {
  test("are as high as their values", () => {
    const markup = groupedBars({ ...name, categories: ["a", "b"], series: [{ name: "one", values: [{ value: 0.25 }, { value: 1 }] }], high: 1 });
    const heights = elements(markup, "rect").map(({ height }) => Number(height));
    expect(heights).toEqual([37.5, 150]);
  });

  test("that are stacked share out the length of the total", () => {
    const markup = stackedBars({ ...name, parts: ["p", "q"], rows: [{ name: "long", values: [3, 1] }, { name: "short", values: [1, Number.NaN] }], format: String });
    const widths = elements(markup, "rect").filter(({ height }) => height === "24").map(({ width }) => Number(width) + 1);
    expect(widths[0]! / widths[1]!).toBeCloseTo(3, 1);
    expect(widths[2]! / widths[1]!).toBeCloseTo(1, 1);
    expect(widths).toHaveLength(3);
    expect(markup).toContain(">4</text>");
  });
});

describe("a picture of ways", () => {
  const way = (more: Partial<Trajectory>): Trajectory => ({ points: [0.5, -0.25, 0.5, 0.1, 0.4, 0.45], success: true, label: "m5", reason: "success", ...more });
  const avoid = (trajectories: readonly Trajectory[], environment = "avoid"): string => trajectoryPicture({ ...name, environment, trajectories });

  test("of Avoid has equal scale on both axes and cylinders in true size", () => {
    const markup = avoid([]);
    const panel = elements(markup, "rect").find(({ class: own }) => own === "f-panel")!;
    const perMetre = Number(panel.width) / 0.8;
    expect(Number(panel.height) / 0.6).toBeCloseTo(perMetre, 0);
    const cylinders = elements(markup, "circle").filter(({ class: own }) => own === "f-cylinder").map(({ r }) => Number(r) / perMetre);
    expect(cylinders).toHaveLength(6);
    expect(cylinders[0]).toBeCloseTo(0.03, 3);
    for (const radius of cylinders.slice(1)) expect(radius).toBeCloseTo(0.025, 3);
  });

  test("of Avoid without obstacles has none", () => {
    expect(elements(avoid([], "avoid-free"), "circle").filter(({ class: own }) => own === "f-cylinder")).toHaveLength(0);
  });

  test("counts the gaps and the collisions, and crosses the end of a way that collided", () => {
    const markup = avoid([way({}), way({}), way({ label: "m6" }), way({ label: "m5", success: false, reason: "collision" })]);
    for (const entry of ["m5 · 2", "m6 · 1", "collision · 1"]) expect(markup).toContain(`>${entry}</text>`);
    // One cross in the legend, one at the end of the way.
    expect(elements(markup, "path").filter(({ d }) => d === "M-3.5-3.5l7 7m0-7l-7 7")).toHaveLength(2);
  });

  test("crosses a way where the rod first touches a cylinder, not where it ends, and draws the rest of it faintly", () => {
    const points = [0.5, -0.25, 0.5, -0.2, 0.5, -0.141, 0.5, -0.14, 0.45, 0.45];
    const [cross] = elements(avoid([way({ points, reason: "collision" })]), "g").map(({ transform }) => transform).filter((transform) => transform?.includes("rotate") === false).slice(-1);
    const markup = avoid([way({ points, reason: "collision" })]);
    const panel = elements(markup, "rect").find(({ class: own }) => own === "f-panel")!;
    const [, x, y] = /translate\(([\d.]+) ([\d.]+)\)/.exec(cross!)!.map(Number) as [number, number, number];
    expect((x - Number(panel.x)) * 0.8 / Number(panel.width) - 0.3).toBeCloseTo(-0.14, 2);
    expect((y - Number(panel.y)) * 0.6 / Number(panel.height) + 0.2).toBeCloseTo(0.5, 2);
    const strengths = elements(markup, "path").filter((path) => path["stroke-opacity"] !== undefined).map((path) => Number(path["stroke-opacity"]));
    expect(strengths).toEqual([0.9, 0.27]);
  });

  test("passes over points that are no numbers", () => {
    expect(avoid([way({ points: [0.5, 0, Number.NaN, 0.1, 0.4, 0.2] })])).not.toContain("NaN");
  });

  test("of Push-T and of unknown environments is square", () => {
    for (const environment of ["pusht", "mine"]) {
      const panel = elements(avoid([way({ points: [1, 2, 300, 40] })], environment), "rect").find(({ class: own }) => own === "f-panel")!;
      expect(panel.width).toBe(panel.height);
    }
  });
});

describe("a picture of denoising", () => {
  const steps = [{ step: 1, points: [0, 0, 0.1, 0, 9, 9] }, { step: 0, points: [-1, 0, 1, 0, 0.9, 0.1] }];

  test("has a panel for each of the last steps, at most twelve", () => {
    expect(chainPanels({ ...name, steps }).match(/k = \d+/g)).toEqual(["k = 1", "k = 0"]);
    const many = Array.from({ length: 40 }, (_, index) => ({ step: 39 - index, points: [index, 0] }));
    expect(chainPanels({ ...name, steps: many }).match(/k = \d+/g)).toEqual(Array.from({ length: 12 }, (_, index) => `k = ${11 - index}`));
  });

  test("gives a sample the same colour in every panel, by where it ends", () => {
    const dots = elements(chainPanels({ ...name, steps }), "path").map((path) => [path.class, (path.d ?? "").match(/M/g)?.length]);
    expect(dots).toEqual([["s-series0", 1], ["s-series1", 2], ["s-series0", 1], ["s-series1", 2]]);
  });

  test("says so where there are no samples", () => {
    expect(chainPanels({ ...name, steps: [] })).toContain("no samples");
  });
});
