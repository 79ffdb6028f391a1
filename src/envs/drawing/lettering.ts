/**
 * A stroke font: each letter is a few lines on a grid, drawn with the canvas's own round pens, so that text is as
 * smooth as everything else at any size and needs no font of the machine.
 *
 * Grid: capitals from y = 0 to the baseline y = 12, small letters from y = 4, descenders to y = 16. A stroke is a list
 * of points, two base-36 digits each. `~` draws a smooth curve between the first and the last point, `@` a closed one
 * that touches the middle of each side of the polygon.
 */
const strokesByLetter: Readonly<Record<string, string>> = {
  "0": "@00707c0c",
  "1": "03404c",
  "2": "~02007075660c 0c7c",
  "3": "~01007066 ~2636 ~2676867c0c0b",
  "4": "6c600888",
  "5": "701005 ~0514747c0c0b",
  "6": "@04747c0c ~60200008",
  "7": "00702c",
  "8": "@10606616 @06767c0c",
  "9": "@00707808 ~74747c1c",
  ".": "0c0c",
  ",": "1c0e",
  ":": "0505 0c0c",
  ";": "1515 1c0e",
  "-": "0858",
  "+": "0868 353b",
  "=": "0666 0a6a",
  "%": "@00303404 @58888c5c 800c",
  "/": "500c",
  "(": "~30000c3c",
  ")": "~00303c0c",
  "'": "0003",
  '"': "0003 3033",
  "<": "64086c",
  ">": "04680c",
  "_": "0c7c",
  "!": "0008 0c0c",
  "?": "~02007066383a 3c3c",
  "×": "056b 650b",
  "°": "@00303404",
  "·": "0808",
  "→": "0888 55885b",
  A: "0c408c 1878",
  B: "000c 0030 ~30707636 0636 ~36868c3c 3c0c",
  C: "~8280000c8c8a",
  D: "000c 0030 ~30808c3c 3c0c",
  E: "70000c7c 0666",
  F: "70000c 0656",
  G: "~8280000c8c88 888747",
  H: "000c 808c 0686",
  I: "000c",
  J: "5058 ~585c0c0a",
  K: "000c 7007 347c",
  L: "000c6c",
  M: "0c0049808c",
  N: "0c008c80",
  O: "@00909c0c",
  P: "000c 0040 ~40808747 4707",
  Q: "@00909c0c 599d",
  R: "000c 0040 ~40808747 4707 478c",
  S: "~71700006767c0c0b",
  T: "0080 404c",
  U: "0008 ~080c8c88 8880",
  V: "004c80",
  W: "002c508ca0",
  X: "008c 800c",
  Y: "004680 464c",
  Z: "00800c8c",
  a: "@04646c0c 646c",
  b: "000c @04646c0c",
  c: "~6564040c6c6b",
  d: "606c @04646c0c",
  e: "0868 ~6864040c6c6b",
  f: "~502024 242c 0444",
  g: "@04646c0c 646c ~6c6g0g0f",
  h: "000c ~08046468 686c",
  i: "040c 0101",
  j: "242c ~2c2g0g 2121",
  k: "000c 5409 275c",
  l: "000c",
  m: "040c ~08045458 585c ~5854a4a8 a8ac",
  n: "040c ~08046468 686c",
  o: "@04646c0c",
  p: "040g @04646c0c",
  q: "646g @04646c0c",
  r: "040c ~080444",
  s: "~55540408585c0c0b",
  t: "202a ~2a2c4c 0444",
  u: "0408 ~080c6c68 646c",
  v: "033c63",
  w: "042c446c84",
  x: "046c 640c",
  y: "043c 641g",
  z: "04640c6c",
};

/** Grid units that a capital is tall. */
export const capitalUnits = 12;
const gapUnits = 3.2;
const spaceUnits = 4.5;

/** One letter: polylines on the grid as x, y, x, y, ..., and the width that it takes. */
export interface Glyph {
  readonly strokes: readonly Float64Array[];
  readonly advance: number;
}

/** Corner cutting (Chaikin): three rounds turn a control polygon into a smooth curve. Open curves keep their ends. */
function smooth(points: readonly number[], isClosed: boolean): number[] {
  let current = [...points];
  for (let round = 0; round < 3; round++) {
    const count = current.length / 2;
    const next: number[] = isClosed ? [] : [current[0] ?? 0, current[1] ?? 0];
    for (let index = 0; index < (isClosed ? count : count - 1); index++) {
      const after = (index + 1) % count;
      const [x0 = 0, y0 = 0] = current.slice(2 * index, 2 * index + 2);
      const [x1 = 0, y1 = 0] = current.slice(2 * after, 2 * after + 2);
      next.push(0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1, 0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1);
    }
    if (!isClosed) next.push(...current.slice(-2));
    current = next;
  }
  return isClosed ? [...current, ...current.slice(0, 2)] : current;
}

function makeGlyph(text: string): Glyph {
  let width = 0;
  const strokes = text.split(" ").map((stroke) => {
    const kind = stroke.startsWith("~") || stroke.startsWith("@") ? stroke[0] : "";
    const points = Array.from(stroke.slice(kind === "" ? 0 : 1), (digit) => Number.parseInt(digit, 36));
    for (let index = 0; index < points.length; index += 2) width = Math.max(width, points[index] ?? 0);
    return Float64Array.from(kind === "" ? points : smooth(points, kind === "@"));
  });
  return { strokes, advance: width + gapUnits };
}

const glyphs = new Map<string, Glyph>();

/** The strokes of a letter; letters that the font lacks are drawn as a space. */
export function glyphOf(letter: string): Glyph {
  let glyph = glyphs.get(letter);
  if (glyph === undefined) {
    const text = strokesByLetter[letter];
    glyph = text === undefined ? { strokes: [], advance: spaceUnits + gapUnits } : makeGlyph(text);
    glyphs.set(letter, glyph);
  }
  return glyph;
}

/** Width of a line of text, in grid units. */
export function textUnits(text: string): number {
  let units = 0;
  for (const letter of text) units += glyphOf(letter).advance;
  return Math.max(0, units - gapUnits);
}
