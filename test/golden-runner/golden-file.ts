import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readDoubles, readSafetensors, type StoredTensor } from "../../src/io/safetensors.ts";

/** The golden folder of this repository: what the double-precision twins are proved against. */
const ownFolder = fileURLToPath(new URL("../golden", import.meta.url));

/** Folder that the golden run walks: `dppo`, `alignment`, `pusht`, `avoid`; set DIFFTUNE_GOLDEN to take another. */
export const goldenFolder = process.env.DIFFTUNE_GOLDEN ?? ownFolder;

/** A golden file of the `dppo` or `alignment` folder: tensors by name, options in the metadata. */
export class GoldenFile {
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #metadata: ReadonlyMap<string, string>;
  readonly #prefix: string;

  private constructor(
    tensors: ReadonlyMap<string, StoredTensor>,
    metadata: ReadonlyMap<string, string>,
    prefix: string,
  ) {
    this.#tensors = tensors;
    this.#metadata = metadata;
    this.#prefix = prefix;
  }

  static open(name: string, folder = ownFolder): GoldenFile {
    const { tensors, metadata } = readSafetensors(readFileSync(path.join(folder, `${name}.safetensors`)));
    return new GoldenFile(tensors, metadata, "");
  }

  /** The same file, seen from below `prefix.`: names lose it. */
  below(prefix: string): GoldenFile {
    return new GoldenFile(this.#tensors, this.#metadata, `${this.#prefix}${prefix}.`);
  }

  has(name: string): boolean {
    return this.#tensors.has(this.#prefix + name);
  }

  /** Names below the prefix, without it. */
  names(): string[] {
    return [...this.#tensors.keys()]
      .filter((name) => name.startsWith(this.#prefix))
      .map((name) => name.slice(this.#prefix.length));
  }

  /** First parts of all names, in the order of the file. */
  groups(): string[] {
    return [...new Set(this.names().map((name) => name.split(".")[0]!))];
  }

  shape(name: string): readonly number[] {
    return this.#tensor(name).shape;
  }

  values(name: string): Float64Array {
    return readDoubles(this.#tensor(name));
  }

  /** The only element of a tensor. */
  scalar(name: string): number {
    const values = this.values(name);
    if (values.length !== 1) throw new RangeError(`${this.#prefix}${name} has ${values.length} elements, not one`);
    return values[0]!;
  }

  /** Parameters of a group, by the names of the state dict. */
  parameters(group: string): Map<string, Float64Array> {
    const inside = this.below(group);
    return new Map(inside.names().map((name) => [name, inside.values(name)]));
  }

  /** Tensors of a group, as a checkpoint has them. */
  tensors(group: string): Map<string, StoredTensor> {
    const inside = this.below(group);
    return new Map(inside.names().map((name) => [name, inside.#tensor(name)]));
  }

  /** A text of the metadata. */
  text(name: string): string | undefined {
    return this.#metadata.get(name);
  }

  /** A metadata entry that holds JSON; the caller knows its type. A missing entry is an error. */
  json(name: string): unknown {
    const text = this.#metadata.get(name);
    if (text === undefined) throw new RangeError(`the metadata has no "${name}"`);
    return JSON.parse(text) as unknown;
  }

  #tensor(name: string): StoredTensor {
    const tensor = this.#tensors.get(this.#prefix + name);
    if (tensor === undefined) throw new RangeError(`the golden file has no tensor "${this.#prefix}${name}"`);
    return tensor;
  }
}
