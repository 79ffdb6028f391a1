import { zlibSync } from "fflate";
import { registry } from "zarrita";
import { arrayBytes } from "./numpy.js";
import { json } from "./folder.js";

export interface ZarrArrayOptions {
  readonly description?: string;
  readonly chunks: readonly number[];
  readonly compressor?: Readonly<Record<string, unknown>> | null;
  readonly order?: "C" | "F";
}

const pack: Readonly<Record<string, (config: Readonly<Record<string, unknown>>, bytes: Uint8Array) => Promise<Uint8Array>>> = {
  zlib: (_, bytes) => Promise.resolve(zlibSync(bytes)),
  blosc: async (config, bytes) => {
    const Blosc = await registry.get("blosc")!();
    const codec = await Promise.resolve((Blosc as unknown as { fromConfig(config: unknown): { encode(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array } }).fromConfig(config));
    return codec.encode(bytes);
  },
};

/** The files of one array of Zarr, version 2: its description and its chunks, which are filled up with zeros at the rim. */
export async function zarrFiles(path: string, values: ArrayLike<number>, shape: readonly number[], options: ZarrArrayOptions): Promise<Record<string, Uint8Array>> {
  const { description = "<f4", chunks, compressor = null, order = "C" } = options;
  const files: Record<string, Uint8Array> = {
    [`${path}/.zarray`]: json({ zarr_format: 2, shape, chunks, dtype: description, compressor, fill_value: 0, order, filters: null }),
  };
  const grid = shape.map((size, axis) => Math.ceil(size / chunks[axis]!));
  for (const place of indices(grid)) {
    const numbers = indices(chunks).map((within) => {
      const index = within.map((offset, axis) => place[axis]! * chunks[axis]! + offset);
      const isInside = index.every((at, axis) => at < shape[axis]!);
      return isInside ? values[index.reduce((sum, at, axis) => sum * shape[axis]! + at, 0)]! : 0;
    });
    const bytes = arrayBytes(numbers, description);
    files[`${path}/${place.join(".")}`] = compressor === null ? bytes : await pack[String(compressor.id)]!(compressor, bytes);
  }
  return files;
}

/** All index tuples below `sizes`, the last index fastest. */
function indices(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>((tuples, size) => tuples.flatMap((tuple) => Array.from({ length: size }, (_, index) => [...tuple, index])), [[]]);
}
