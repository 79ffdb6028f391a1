import { zipSync, type Zippable } from "fflate";

/** Bytes of one number of NumPy's type, for the types that tests write. */
const writers: Readonly<Record<string, readonly [size: number, write: (view: DataView, at: number, value: number) => void]>> = {
  "<f4": [4, (view, at, value) => view.setFloat32(at, value, true)],
  "<f8": [8, (view, at, value) => view.setFloat64(at, value, true)],
  ">f8": [8, (view, at, value) => view.setFloat64(at, value)],
  "<i8": [8, (view, at, value) => view.setBigInt64(at, BigInt(value), true)],
  ">i4": [4, (view, at, value) => view.setInt32(at, value)],
  "|u1": [1, (view, at, value) => view.setUint8(at, value)],
  "|b1": [1, (view, at, value) => view.setUint8(at, value)],
};

/** The raw bytes of an array. */
export function arrayBytes(values: ArrayLike<number>, description: string): Uint8Array {
  const [size, write] = writers[description]!;
  const view = new DataView(new ArrayBuffer(values.length * size));
  for (let index = 0; index < values.length; index++) write(view, index * size, values[index]!);
  return new Uint8Array(view.buffer);
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** An `.npy` file. `header` replaces the usual one. */
export function npyBytes(values: ArrayLike<number>, shape: readonly number[], { description = "<f4", version = 1, isFortran = false, header = "" } = {}): Uint8Array {
  const text = header || `{'descr': '${description}', 'fortran_order': ${isFortran ? "True" : "False"}, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const padded = new TextEncoder().encode(`${text.padEnd(Math.ceil((text.length + 12) / 64) * 64 - 12 + (version === 1 ? 1 : -1))}\n`);
  const length = version === 1 ? [padded.byteLength & 255, padded.byteLength >> 8] : [padded.byteLength & 255, padded.byteLength >> 8, 0, 0];
  return joined(Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), version, 0, ...length), padded, arrayBytes(values, description));
}

/** An `.npz` archive of `.npy` files, stored (level 0) or packed. */
export function npzBytes(arrays: Readonly<Record<string, Uint8Array>>, level: 0 | 6 = 0): Uint8Array {
  const files: Zippable = {};
  for (const [name, bytes] of Object.entries(arrays)) files[`${name}.npy`] = [bytes, { level }];
  return zipSync(files);
}
