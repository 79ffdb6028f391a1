import { arrayBytes, joined } from "./numpy.js";

/** A value as Python would pickle it. Bytes, arrays and tuples are marked. */
export type Pickleable =
  | null | boolean | number | string | Uint8Array | PickledArray | PickledTuple
  | readonly Pickleable[] | ReadonlyMap<string, Pickleable>;

export interface PickledArray {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** `<f8` and the like. */
  readonly description: string;
  readonly isFortran?: boolean;
}

export interface PickledTuple {
  readonly tuple: readonly Pickleable[];
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const word32 = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255];

/** `module.name` in the way of protocol 2 and 3, a line each. */
export const globalOf = (module: string, name: string): Uint8Array => joined(Uint8Array.of(0x63), text(`${module}\n${name}\n`));

/** The same in the way of protocol 4: two texts on the stack. */
export const stackGlobalOf = (module: string, name: string): Uint8Array => joined(unicode(module), unicode(name), Uint8Array.of(0x93));

export function unicode(value: string): Uint8Array {
  const bytes = text(value);
  return joined(Uint8Array.of(0x58, ...word32(bytes.byteLength)), bytes);
}

/** A pickle from its parts: header, what is given, and the stop. */
export function rawPickle(protocol: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return joined(Uint8Array.of(0x80, protocol), ...parts, Uint8Array.of(0x2e));
}

/** A pickle as Python writes it, without the memo. */
export function pickleBytes(value: Pickleable, protocol = 3): Uint8Array {
  const find = protocol >= 4 ? stackGlobalOf : globalOf;

  function bytesOf(bytes: Uint8Array): Uint8Array {
    if (protocol > 2) return joined(Uint8Array.of(0x42, ...word32(bytes.byteLength)), bytes);
    const latin1 = unicode(String.fromCharCode(...bytes));
    return joined(globalOf("_codecs", "encode"), latin1, unicode("latin1"), Uint8Array.of(0x86, 0x52));
  }

  function tuple(...items: readonly Uint8Array[]): Uint8Array {
    return joined(Uint8Array.of(0x28), ...items, Uint8Array.of(0x74));
  }

  function array({ shape, values, description, isFortran = false }: PickledArray): Uint8Array {
    const [order, kind] = [description[0]!, description.slice(1)];
    const type = joined(
      find("numpy", "dtype"),
      tuple(unicode(kind), write(false), write(true)),
      Uint8Array.of(0x52),
      tuple(write(3), unicode(order), write(null), write(null), write(null), write(-1), write(-1), write(0)),
      Uint8Array.of(0x62),
    );
    return joined(
      find("numpy.core.multiarray", "_reconstruct"),
      tuple(find("numpy", "ndarray"), tuple(write(0)), bytesOf(Uint8Array.of(0x62))),
      Uint8Array.of(0x52),
      tuple(write(1), tuple(...shape.map(write)), type, write(isFortran), bytesOf(arrayBytes(values, description))),
      Uint8Array.of(0x62),
    );
  }

  function write(item: Pickleable): Uint8Array {
    if (item === null) return Uint8Array.of(0x4e);
    if (typeof item === "boolean") return Uint8Array.of(item ? 0x88 : 0x89);
    if (typeof item === "string") return unicode(item);
    if (typeof item === "number") {
      if (Number.isInteger(item)) return Uint8Array.of(0x4a, ...word32(item));
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, item);
      return joined(Uint8Array.of(0x47), new Uint8Array(view.buffer));
    }
    if (item instanceof Uint8Array) return bytesOf(item);
    if (item instanceof Map) {
      const entries = [...(item as ReadonlyMap<string, Pickleable>)].flatMap(([key, part]) => [unicode(key), write(part)]);
      return joined(Uint8Array.of(0x7d, 0x28), ...entries, Uint8Array.of(0x75));
    }
    if ("tuple" in item) return tuple(...item.tuple.map(write));
    if ("shape" in item) return array(item);
    return joined(Uint8Array.of(0x5d, 0x28), ...(item as readonly Pickleable[]).map(write), Uint8Array.of(0x65));
  }

  return rawPickle(protocol, write(value));
}
