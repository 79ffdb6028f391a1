import { DifftuneError } from "../core/errors.js";

/** A file that is read in ranges, so that it may be larger than memory. */
export interface ByteSource {
  /** What messages call it, such as its path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The bytes from `offset` on; exactly `length` of them where they lie inside the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Files by their path below one folder, parts joined by "/". */
export interface Folder {
  readonly name: string;
  /** All files, in no particular order. */
  names(): Promise<readonly string[]>;
  /** One file; undefined if there is none of that name. */
  open(path: string): Promise<ByteSource | undefined>;
}

/** A file that is in memory. Ranges are views. */
export function bytesSource(bytes: Uint8Array, name = "the file"): ByteSource {
  return { name, size: bytes.byteLength, read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)) };
}

/** A file that the user of a page has chosen. */
export function blobSource(blob: Blob, name = "the file"): ByteSource {
  return { name, size: blob.size, read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()) };
}

/** The bytes of a range that must lie inside the file; anything less is a `FORMAT` error. */
export async function readRange(source: ByteSource, offset: number, length: number, what: string): Promise<Uint8Array> {
  if (offset < 0 || length < 0 || offset + length > source.size) {
    throw new DifftuneError("FORMAT", `${source.name}: ${what} takes the bytes ${offset} to ${offset + length}, but there are ${source.size}.`, {
      hint: "The file is cut off or damaged.",
      path: source.name,
      expected: offset + length,
      got: source.size,
    });
  }
  const bytes = await source.read(offset, length);
  if (bytes.byteLength !== length) {
    throw new DifftuneError("FORMAT", `${source.name}: ${bytes.byteLength} of ${length} bytes of ${what} could be read.`, {
      hint: "Did the file change meanwhile?",
      path: source.name,
      expected: length,
      got: bytes.byteLength,
    });
  }
  return bytes;
}

/** A whole file, which must not be larger than `most` bytes. */
export async function readWhole(source: ByteSource, most: number): Promise<Uint8Array> {
  if (source.size > most) {
    throw new DifftuneError("FORMAT", `${source.name} has ${source.size} bytes; files of its kind are read up to ${most}.`, {
      path: source.name,
      expected: most,
      got: source.size,
    });
  }
  return readRange(source, 0, source.size, "the whole file");
}
