import { DifftuneError } from "../../core/errors.js";
import type { Image } from "../environment.js";

/** An image as a PNG file. */
export async function encodePng(image: Image): Promise<Uint8Array> {
  // The package's main entry needs Node's zlib; this one brings its own and runs anywhere.
  const { PNG } = await import("pngjs/browser.js");
  const { width, height, pixels } = image;
  const isOpaque = pixels.every((value, index) => index % 4 !== 3 || value === 255);
  const picture = Object.assign(new PNG({ width, height }), { data: pixels });
  return Uint8Array.from(PNG.sync.write(picture, { deflateLevel: 9, colorType: isOpaque ? 2 : 6 }));
}

/** Options of {@link encodeGif}. */
export interface GifOptions {
  /** Pictures per second; a GIF counts in hundredths of a second. Default 10. */
  readonly rate?: number;
  /** How long the last picture stays before the film starts again, seconds. Default 1. */
  readonly pause?: number;
}

/** Pixels that the palette of a film is chosen from, over all its pictures. */
const paletteSamples = 400_000;

/** Pictures of one size as an endless GIF film. All pictures share one palette, so that colours do not flicker. */
export async function encodeGif(frames: readonly Image[], options: GifOptions = {}): Promise<Uint8Array> {
  const { rate = 10, pause = 1 } = options;
  const first = frames[0];
  if (first === undefined) throw new DifftuneError("SHAPE", "A film needs at least one picture.");
  if (!(rate > 0 && rate <= 50)) throw new DifftuneError("OPTION", `rate is ${rate}; a GIF shows up to 50 pictures per second.`, { path: "rate", got: rate });
  const odd = frames.findIndex((frame) => frame.width !== first.width || frame.height !== first.height);
  if (odd >= 0) throw new DifftuneError("SHAPE", `Picture ${odd} of the film differs in size from the first.`, { index: odd });
  const library = await import("gifenc");
  const { GIFEncoder = library.default.GIFEncoder, quantize = library.default.quantize, applyPalette = library.default.applyPalette } = library;
  const palette = quantize(samplePixels(frames), 256);
  const stream = GIFEncoder();
  for (const [index, frame] of frames.entries()) {
    const delay = 1000 / rate + (index === frames.length - 1 ? 1000 * pause : 0);
    stream.writeFrame(applyPalette(frame.pixels, palette), frame.width, frame.height, index === 0 ? { palette, delay } : { delay });
  }
  stream.finish();
  return stream.bytes();
}

function samplePixels(frames: readonly Image[]): Uint8Array {
  const total = frames.reduce((sum, frame) => sum + frame.width * frame.height, 0);
  const stride = Math.max(1, Math.floor(total / paletteSamples));
  const samples = new Uint8Array(4 * Math.ceil(total / stride));
  let at = 0;
  let place = 0;
  for (const frame of frames) {
    const count = frame.width * frame.height;
    for (; place < count; place += stride) {
      samples.set(frame.pixels.subarray(4 * place, 4 * place + 4), at);
      at += 4;
    }
    place -= count;
  }
  return samples.subarray(0, at);
}
