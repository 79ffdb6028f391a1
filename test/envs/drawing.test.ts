import { PNG } from "pngjs";
import { describe, expect, test } from "vitest";
import { avoidScene, Canvas, drawAvoid, drawPushT, encodeGif, encodePng, type Image } from "../../src/envs/index.js";

/** Sum of darkness over the picture, in pixels of full ink: black on white. */
function inkOf({ pixels }: Image): number {
  let ink = 0;
  for (let at = 0; at < pixels.length; at += 4) ink += 1 - pixels[at]! / 255;
  return ink;
}

function pixelOf({ pixels, width }: Image, x: number, y: number): number[] {
  const at = (Math.floor(y) * width + Math.floor(x)) * 4;
  return [...pixels.subarray(at, at + 4)];
}

const black = [0, 0, 0] as const;

describe("the canvas", () => {
  test.each<[string, number, (canvas: Canvas) => void]>([
    ["a disc", Math.PI * 400, (canvas) => { canvas.disc(50.3, 49.6, 20, black); }],
    ["a ring", 2 * Math.PI * 20 * 3, (canvas) => { canvas.ring(50.3, 49.6, 20, 3, black); }],
    ["a line with round ends", 60 * 4 + Math.PI * 4, (canvas) => { canvas.line(20, 50.2, 80, 50.2, 4, black); }],
    ["a slanted polygon", 0.5 * 60 * 40, (canvas) => { canvas.polygon([20, 20, 80, 35, 20, 60], black); }],
    ["a polygon with a bay", 60 * 60 - 20 * 30, (canvas) => { canvas.polygon([20, 20, 80, 20, 80, 80, 60, 80, 60, 50, 40, 50, 40, 80, 20, 80], black); }],
    ["a rectangle of fractions", 40.5 * 20.25, (canvas) => { canvas.rectangle(20.25, 30.5, 60.75, 50.75, black); }],
    ["a single point", Math.PI * 9, (canvas) => { canvas.path([50, 50], 6, black); }],
    ["dashes", 3 * (10 * 2 + Math.PI), (canvas) => { canvas.path([10, 50, 70, 50], 2, black, [10, 15]); }],
  ])("inks %s by its area", (_, area, draw) => {
    const canvas = new Canvas(100, 100);
    draw(canvas);
    expect(Math.abs(inkOf(canvas.image()) / area - 1)).toBeLessThan(0.015);
  });

  test("draws a translucent path without darker joints", () => {
    const canvas = new Canvas(60, 60);
    canvas.path([10, 10, 30, 50, 50, 10, 10, 30], 8, [0, 0, 0, 0.5]);
    const { pixels } = canvas.image();
    expect(Math.min(...pixels.filter((_, index) => index % 4 === 0))).toBeGreaterThanOrEqual(127);
  });

  test("keeps to its clip and forgets it", () => {
    const canvas = new Canvas(40, 40);
    canvas.clip(10, 10, 20, 20);
    canvas.rectangle(0, 0, 40, 40, black);
    expect(inkOf(canvas.image())).toBe(100);
    canvas.clip();
    canvas.rectangle(0, 0, 40, 40, black);
    expect(inkOf(canvas.image())).toBe(1600);
  });

  test("draws what reaches beyond its edges, and nothing that lies beyond", () => {
    const canvas = new Canvas(30, 30);
    canvas.disc(0, 0, 10, black);
    canvas.disc(500, 500, 10, black);
    canvas.line(-100, 20, -50, 20, 3, black);
    expect(inkOf(canvas.image())).toBeCloseTo((Math.PI * 100) / 4, -1);
  });

  test("aligns text, and draws an unknown letter as a space", () => {
    const extent = (align: "left" | "centre" | "right", text: string): [number, number] => {
      const canvas = new Canvas(200, 40);
      canvas.text(100, 20, text, { size: 12, align });
      const { pixels } = canvas.image();
      const columns = Array.from({ length: 200 }, (_, x) => x).filter((x) => Array.from({ length: 40 }, (_, y) => pixels[(y * 200 + x) * 4]!).some((value) => value < 128));
      return [columns[0] ?? -1, columns.at(-1) ?? -1];
    };
    const [left, right] = extent("left", "Avoid 125");
    const width = right - left;
    expect(left).toBeGreaterThanOrEqual(99);
    expect(extent("right", "Avoid 125")[1]).toBeLessThanOrEqual(101);
    const [from, to] = extent("centre", "Avoid 125");
    expect(Math.abs((from + to) / 2 - 100)).toBeLessThanOrEqual(1.5);
    expect(Math.abs(to - from - width)).toBeLessThanOrEqual(1);
    expect(extent("left", "漢")).toEqual([-1, -1]);
  });

  test.each([[0, 10], [10, -1], [1.5, 10], [100_000, 100_000], [Number.NaN, 3]])("of %d x %d is refused", (width, height) => {
    expect(() => new Canvas(width, height)).toThrow(expect.objectContaining({ code: "SHAPE" }));
  });
});

describe("pictures", () => {
  const ways = [
    { actual: [0.525, -0.28, 0.6, -0.1, 0.3, 0.1, 0.27, 0.45], desired: [0.525, -0.28, 0.6, -0.12, 0.28, 0.45], modes: 1 << 5 },
    { actual: [0.525, -0.28, 0.53, -0.13], collided: true },
  ];

  test.each([["paper", 640], ["dppo", 400]] as const)("avoid in the %s orientation has its cylinders in place", (orientation, width) => {
    const image = drawAvoid(ways, { orientation, width });
    const scale = (width - 60) / (orientation === "paper" ? 0.8 : 0.6);
    for (const { x, y, radius } of avoidScene.obstacles) {
      const place = (dx: number, dy: number): number[] => orientation === "paper"
        ? pixelOf(image, 46 + scale * (y + dy + 0.3), 14 + scale * (x + dx - 0.2))
        : pixelOf(image, 46 + scale * (x + dx - 0.2), 14 + scale * (0.5 - y - dy));
      for (const [dx, dy] of [[0, 0], [0.9, 0], [-0.9, 0], [0, 0.9], [0, -0.9]] as const) {
        if (x === 0.5 && y === -0.1) continue;
        expect(place(dx * radius, dy * radius)).toEqual([62, 68, 80, 255]);
      }
      expect(place(1.15 * radius, 0)).not.toEqual([62, 68, 80, 255]);
    }
    expect(drawAvoid(ways, { orientation, width, obstacles: false })).not.toEqual(image);
  });

  test("push-t shows block, goal, box and agent where they are", () => {
    const pose = { agentX: 100, agentY: 100, blockX: 380, blockY: 60, blockAngle: 0 };
    const image = drawPushT({ pose, forbiddenBox: { x0: 320, y0: 320, x1: 512, y1: 512 }, paths: [[300, 40, 40, 400]], caption: "step 3" }, 512);
    expect(pixelOf(image, 100, 100)).toEqual([65, 105, 225, 255]);
    expect(pixelOf(image, 380, 75)).toEqual([138, 156, 178, 255]);
    expect(pixelOf(image, 235, 277)).toEqual([189, 231, 190, 255]);
    const [red = 0, green = 0] = pixelOf(image, 420, 470);
    expect(red - green).toBeGreaterThan(10);
  });

  test("png keeps every pixel, with and without opacity", async () => {
    const opaque = drawPushT({ caption: "x" }, 64);
    const clear = new Canvas(20, 10, [0, 0, 0, 0]);
    clear.disc(10, 5, 4, [200, 30, 10, 0.7]);
    for (const image of [opaque, clear.image()]) {
      const { width, height, data } = PNG.sync.read(Buffer.from(await encodePng(image)));
      expect([width, height]).toEqual([image.width, image.height]);
      expect([...data]).toEqual([...image.pixels]);
    }
  });

  test("gif has one picture after the other and refuses what is none", async () => {
    const frames = [1, 2, 3].map((step) => drawPushT({ caption: `step ${step}` }, 64));
    const file = await encodeGif(frames, { rate: 20 });
    expect(new TextDecoder().decode(file.subarray(0, 6))).toBe("GIF89a");
    expect([file[6], file[8]]).toEqual([64, 64]);
    const descriptors = [...file].filter((byte, at) => byte === 0x2c && file[at + 5] === 64 && file[at + 6] === 0 && file[at + 7] === 64 && file[at + 8] === 0);
    expect(descriptors.length).toBe(3);
    expect(file.at(-1)).toBe(0x3b);
    await expect(encodeGif([])).rejects.toMatchObject({ code: "SHAPE" });
    await expect(encodeGif([frames[0]!, drawPushT({}, 32)])).rejects.toMatchObject({ code: "SHAPE", index: 1 });
    await expect(encodeGif(frames, { rate: 0 })).rejects.toMatchObject({ code: "OPTION" });
    await expect(encodeGif(frames, { rate: Number.NaN })).rejects.toMatchObject({ code: "OPTION" });
  });
});
