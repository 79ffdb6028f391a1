import { Canvas, type Colour } from "../envs/drawing/canvas.js";
import type { Image } from "../envs/environment.js";

/** Bit of each dot of a braille cell, by row and column. */
const brailleBits = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]] as const;

/** Points x, y, x, y, ... of the square from -1 to 1, up is up, as text of `columns` x `columns / 2` characters. */
export function scatterText(points: ArrayLike<number>, columns: number): string {
  const lines = Math.ceil(columns / 2);
  const cells = new Uint8Array(lines * columns);
  for (let at = 0; at + 1 < points.length; at += 2) {
    const x = Math.floor(((points[at]! + 1) / 2) * columns * 2);
    const y = Math.floor(((1 - points[at + 1]!) / 2) * lines * 4);
    if (x < 0 || y < 0 || x >= columns * 2 || y >= lines * 4) continue;
    const cell = Math.floor(y / 4) * columns + Math.floor(x / 2);
    cells[cell] = cells[cell]! | brailleBits[y % 4]![x % 2]!;
  }
  return Array.from({ length: lines }, (_, line) =>
    String.fromCodePoint(...Array.from(cells.subarray(line * columns, (line + 1) * columns), (bits) => 0x2800 + bits)),
  ).join("\n");
}

/** One panel of {@link scatterPicture}. */
export interface ScatterPanel {
  readonly title: string;
  /** x, y, x, y, ... in the square from -1 to 1. */
  readonly points: ArrayLike<number>;
  readonly colour: Colour;
}

/** Panels side by side, each `side` pixels wide. */
export function scatterPicture(panels: readonly ScatterPanel[], side = 320): Image {
  const margin = 28;
  const canvas = new Canvas(panels.length * (side + margin) + margin, side + 2 * margin);
  for (const [index, { title, points, colour }] of panels.entries()) {
    const left = margin + index * (side + margin);
    canvas.rectangle(left, margin, left + side, margin + side, [246, 247, 249], 4);
    canvas.text(left + side / 2, margin / 2, title, { size: 10, align: "centre" });
    for (let at = 0; at + 1 < points.length; at += 2) {
      const x = left + ((points[at]! + 1) / 2) * side;
      const y = margin + ((1 - points[at + 1]!) / 2) * side;
      canvas.disc(x, y, 1.5, colour);
    }
  }
  return canvas.image();
}
