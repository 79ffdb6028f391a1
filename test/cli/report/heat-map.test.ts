import { describe, expect, test } from "vitest";
import { heatMap } from "../../../src/cli/report/heat-map.js";
import { divergingColour, drawHeatMap, type ValueGrid } from "../../../src/envs/drawing/heat-map.js";

const centres = (count: number, size: number): number[] => Array.from({ length: count }, (_, at) => ((at + 0.5) * size) / count);
/** A grid over [0, 512]², −1 at the right below, +1 elsewhere. */
const grid = (cells: number): ValueGrid => {
  const [x, y] = [centres(cells, 512), centres(cells, 512)];
  return { x, y, values: y.map((down) => x.map((across) => (across > 256 && down > 256 ? -1 : 1))) };
};
const name = { id: "map", title: "Reward", description: "A reward." };
const box = { x0: 256, y0: 256, x1: 512, y1: 512 };

describe("a heat map as SVG", () => {
  test("has one path a colour, which covers exactly the cells of that colour", () => {
    const markup = heatMap({ ...name, grid: grid(64) });
    const cells = [...markup.matchAll(/<path fill="#(\w{6})" d="([^"]+)"/g)];
    const areas = new Map(cells.map(([, colour, path]) => [colour, [...path!.matchAll(/M(\S+) (\S+)H(\S+)V(\S+)H/g)].reduce((sum, [, x0, y0, x1, y1]) => sum + (Number(x1) - Number(x0)) * (Number(y1) - Number(y0)), 0)]));
    expect([...areas.keys()].sort()).toEqual(["2166ac", "b2182b"]);
    expect(areas.get("2166ac")! / areas.get("b2182b")!).toBeCloseTo(3, 2);
    // Long runs are one rectangle: 32 rows of one, 32 of two.
    expect(markup.match(/V/g)).toHaveLength(32 + 2 * 32);
  });

  test("marks the box and the places, and clamps values beyond the limit", () => {
    const markup = heatMap({ ...name, grid: { x: [1, 2], y: [1], values: [[-7, 0.5]] }, limit: 0.5, box, points: [1, 1, 2, 1] });
    expect(markup).toContain("stroke-dasharray");
    expect(markup.match(/h0/g)).toHaveLength(2);
    expect(markup).toContain('fill="#b2182b"');
    expect(markup).toContain('fill="#2166ac"');
    expect(markup).not.toMatch(/NaN|undefined|Infinity/);
    expect(heatMap({ ...name, grid: grid(2) })).not.toContain("stroke-dasharray=\"6");
  });

  test("stays small, and dots no more than some of very many places", () => {
    const random = grid(64);
    const smooth: ValueGrid = { ...random, values: random.y.map((y) => random.x.map((x) => Math.tanh(Math.sin(x / 60) + Math.cos(y / 45)))) };
    const markup = heatMap({ ...name, grid: smooth, points: Float32Array.from({ length: 20_000 }, (_, at) => (at * 37) % 512) });
    expect(markup.length).toBeLessThan(100_000);
    expect(markup.match(/h0/g)!.length).toBeLessThanOrEqual(1500);
  });

  test.each([[{ x: [], y: [], values: [] }], [{ x: [1], y: [1, 2], values: [[1]] }], [{ x: [1, 2], y: [1], values: [[1]] }]])("refuses the grid %j", (wrong) => {
    expect(() => heatMap({ ...name, grid: wrong })).toThrow(/grid of/);
  });
});

describe("a heat map as an image", () => {
  test("shows each cell in its colour, the box and the places", () => {
    const plain = drawHeatMap({ grid: grid(64) }, 128);
    const at = (image: typeof plain, x: number, y: number): number[] => [...image.pixels.subarray(4 * (y * image.width + x), 4 * (y * image.width + x) + 3)];
    expect(at(plain, 40 + 32, 12 + 32)).toEqual([...divergingColour(1)]);
    expect(at(plain, 40 + 96, 12 + 96)).toEqual([...divergingColour(-1)]);
    expect(at(plain, 40 + 127, 12)).toEqual([...divergingColour(1)]);
    const marked = drawHeatMap({ grid: grid(64), box: { x0: 100, y0: 100, x1: 200, y1: 200 }, points: [400, 100] }, 128);
    expect(at(marked, 40 + 100, 12 + 25)).not.toEqual(at(plain, 40 + 100, 12 + 25));
    expect(at(marked, 40 + 28, 12 + 25)).not.toEqual(at(plain, 40 + 28, 12 + 25));
    expect(at(marked, 40 + 64, 12 + 10)).toEqual(at(plain, 40 + 64, 12 + 10));
  });

  test("goes from red over white to blue", () => {
    expect([divergingColour(-2), divergingColour(0), divergingColour(1)]).toEqual([[178, 24, 43], [247, 247, 247], [33, 102, 172]]);
    const [red, , blue] = divergingColour(0.4);
    expect(blue).toBeGreaterThan(red);
  });
});
