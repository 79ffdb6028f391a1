import { Inflate } from "fflate";
import { DifftuneError } from "../core/errors.js";
import { readRange, type ByteSource, type Folder } from "./byte-source.js";

/** Where an entry lies, as the directory at the end of the archive says. */
interface ZipEntry {
  readonly path: string;
  readonly isDeflated: boolean;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly headerOffset: number;
}

const endBytes = 22;
const longEndBytes = 56;
const locatorBytes = 20;
const localBytes = 30;
const entryBytes = 46;
const commentLimitBytes = 0xffff;
const directoryLimitBytes = 256 * 2 ** 20;
/** DEFLATE packs no byte smaller than this many fold; an entry that claims more is a bomb. */
const mostInflation = 1032;
const unknown32 = 0xffffffff;
const signatures = { local: 0x04034b50, entry: 0x02014b50, end: 0x06054b50, longEnd: 0x06064b50, locator: 0x07064b50 } as const;

/**
 * Opens a zip archive (also the long form, ZIP64) as a folder. Stored entries are read in ranges, deflated ones are unpacked
 * as they are read, so that neither has to fit into memory; whoever reads an entry from its first byte to its last also
 * has it checked against its CRC-32. Encrypted and split archives, and other ways of packing, are refused.
 */
export async function openZip(source: ByteSource): Promise<Folder> {
  const entries = new Map<string, ZipEntry>();
  for (const entry of await readDirectory(source)) {
    if (entries.has(entry.path)) throw zipError(source, `two entries are called "${entry.path}"`);
    entries.set(entry.path, entry);
  }
  return {
    name: source.name,
    names: () => Promise.resolve([...entries.keys()]),
    open: async (path) => {
      const entry = entries.get(path);
      return entry && openEntry(source, entry);
    },
  };
}

async function readDirectory(source: ByteSource): Promise<ZipEntry[]> {
  const { offset, length, count } = await findDirectory(source);
  if (length > directoryLimitBytes) throw zipError(source, `its directory claims ${length} bytes`);
  const bytes = await readRange(source, offset, length, "the directory of the archive");
  const view = viewOf(bytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    const isWhole = at + entryBytes <= length && view.getUint32(at, true) === signatures.entry;
    const [nameBytes, extraBytes, commentBytes] = isWhole ? [28, 30, 32].map((place) => view.getUint16(at + place, true)) : [];
    const nameEnd = at + entryBytes + (nameBytes ?? 0);
    const end = nameEnd + (extraBytes ?? 0) + (commentBytes ?? 0);
    if (!isWhole || end > length) throw zipError(source, `entry ${index} of its directory is damaged`);
    const path = new TextDecoder().decode(bytes.slice(at + entryBytes, nameEnd));
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    if ((flags & 1) !== 0) throw zipError(source, `"${path}" is encrypted`);
    if (method !== 0 && method !== 8) throw zipError(source, `"${path}" is packed by method ${method}; only stored and deflated entries are read`);
    // Numbers that do not fit 32 bits stand in an extra field, in this order.
    const long = longFields(bytes.subarray(nameEnd, nameEnd + (extraBytes ?? 0)));
    const wide = (place: number): number => {
      const short = view.getUint32(at + place, true);
      return short === unknown32 ? (long.shift() ?? short) : short;
    };
    const [size, packedBytes, headerOffset] = [wide(24), wide(20), wide(42)];
    if (method === 0 ? size !== packedBytes : size > packedBytes * mostInflation) {
      throw zipError(source, `"${path}" claims to hold ${size} bytes in ${packedBytes}`);
    }
    const isFolder = path.endsWith("/");
    if (!isFolder) entries.push({ path, isDeflated: method === 8, crc: view.getUint32(at + 16, true), packedBytes, bytes: size, headerOffset });
    at = end;
  }
  return entries;
}

/** The 64-bit numbers of the extra field with the mark 1. */
function longFields(extra: Uint8Array): number[] {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const [mark, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const end = Math.min(at + 4 + length, extra.byteLength);
    if (mark === 1) return Array.from({ length: Math.floor((end - at - 4) / 8) }, (_, index) => readLong(view, at + 4 + 8 * index));
    at = end;
  }
  return [];
}

/** Finds the directory from the record at the very end, or from the long one that it hides. */
async function findDirectory(source: ByteSource): Promise<{ readonly offset: number; readonly length: number; readonly count: number }> {
  const tailBytes = Math.min(source.size, endBytes + commentLimitBytes);
  const tailStart = source.size - tailBytes;
  const view = viewOf(await readRange(source, tailStart, tailBytes, "the end of the archive"));
  for (let at = tailBytes - endBytes; at >= 0; at--) {
    if (view.getUint32(at, true) !== signatures.end || view.getUint16(at + 20, true) !== tailBytes - at - endBytes) continue;
    const parts = { count: view.getUint16(at + 10, true), length: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) };
    if (view.getUint16(at + 4, true) !== 0 && view.getUint16(at + 4, true) !== 0xffff) throw zipError(source, "it is one part of a split archive");
    const hasLocator = at >= locatorBytes && view.getUint32(at - locatorBytes, true) === signatures.locator;
    if (!hasLocator) return parts;
    const longEnd = viewOf(await readRange(source, readLong(view, at - locatorBytes + 8), longEndBytes, "the long end of the directory"));
    if (longEnd.getUint32(0, true) !== signatures.longEnd) throw zipError(source, "the long end of its directory is damaged");
    return { count: readLong(longEnd, 32), length: readLong(longEnd, 40), offset: readLong(longEnd, 48) };
  }
  throw zipError(source, "it has no end of a zip directory");
}

async function openEntry(source: ByteSource, entry: ZipEntry): Promise<ByteSource> {
  const name = `${source.name}: ${entry.path}`;
  const header = viewOf(await readRange(source, entry.headerOffset, localBytes, `the header of "${entry.path}"`));
  if (header.getUint32(0, true) !== signatures.local) throw zipError(source, `"${entry.path}" does not lie where its directory says`);
  const start = entry.headerOffset + localBytes + header.getUint16(26, true) + header.getUint16(28, true);
  if (start + entry.packedBytes > source.size) throw zipError(source, `"${entry.path}" reaches beyond its end`);
  const packed: ByteSource = {
    name,
    size: entry.packedBytes,
    read: (offset, length) => source.read(start + offset, Math.min(length, entry.packedBytes - offset)),
  };
  return checked(entry.isDeflated ? inflated(packed, entry.bytes) : packed, entry.crc);
}

const pieceBytes = 65_536;

/** The unpacked content of a deflated range. It is read forwards; a step back starts over. */
function inflated(packed: ByteSource, size: number): ByteSource {
  let ready: Uint8Array[] = [];
  let readyStart = 0;
  let readyEnd = 0;
  let at = 0;
  let stream = newStream();

  function newStream(): Inflate {
    return new Inflate((piece) => {
      if (piece.byteLength === 0) return;
      ready.push(piece);
      readyEnd += piece.byteLength;
    });
  }

  async function unpackTo(end: number): Promise<void> {
    while (readyEnd < end && at < packed.size) {
      const piece = await readRange(packed, at, Math.min(pieceBytes, packed.size - at), "packed data");
      at += piece.byteLength;
      try {
        stream.push(piece, at === packed.size);
      } catch (cause) {
        throw new DifftuneError("FORMAT", `${packed.name}: the packed data is damaged near byte ${at}.`, { path: packed.name, index: at, cause });
      }
      if (readyEnd > size) throw new DifftuneError("FORMAT", `${packed.name}: there is more than the ${size} bytes that it claims.`, { path: packed.name, expected: size });
    }
    if (readyEnd < end) throw new DifftuneError("FORMAT", `${packed.name}: the packed data ends after ${readyEnd} of ${size} bytes.`, { path: packed.name, expected: size, got: readyEnd });
  }

  return {
    name: packed.name,
    size,
    async read(offset, length) {
      if (offset < readyStart) {
        [ready, readyStart, readyEnd, at, stream] = [[], 0, 0, 0, newStream()];
      }
      const end = Math.min(offset + length, size);
      const bytes = new Uint8Array(Math.max(end - offset, 0));
      while (readyStart < end) {
        const [piece] = ready;
        if (piece === undefined) {
          await unpackTo(readyEnd + 1);
          continue;
        }
        const [from, to] = [Math.max(offset - readyStart, 0), Math.min(end - readyStart, piece.byteLength)];
        if (from < to) bytes.set(piece.subarray(from, to), readyStart + from - offset);
        if (to < piece.byteLength) break;
        ready.shift();
        readyStart += piece.byteLength;
      }
      return bytes;
    },
  };
}

/** Compares the CRC-32 once the last byte was read, if all were read in order. */
function checked(source: ByteSource, expected: number): ByteSource {
  let next = 0;
  let sum = 0;
  return {
    ...source,
    async read(offset, length) {
      const bytes = await source.read(offset, length);
      if (offset === 0) [next, sum] = [0, 0];
      if (offset !== next || bytes.byteLength === 0) return bytes;
      sum = crc32(bytes, sum);
      next += bytes.byteLength;
      if (next === source.size && sum !== expected) {
        throw new DifftuneError("FORMAT", `${source.name}: the checksum is not that of the archive.`, { hint: "The file is damaged.", path: source.name, expected, got: sum });
      }
      return bytes;
    },
  };
}

/** Remainders of CRC-32 (polynomial 0xedb88320) of the 256 bytes. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of bytes, or of these after others whose remainder is `sum`. */
export function crc32(bytes: Uint8Array, sum = 0): number {
  let value = ~sum;
  for (let index = 0; index < bytes.byteLength; index++) value = (value >>> 8) ^ crcTable[(value ^ bytes[index]!) & 0xff]!;
  return ~value >>> 0;
}

/** A 64-bit number; one beyond 2^53 is beyond every file, and found so. */
function readLong(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function zipError(source: ByteSource, fault: string): DifftuneError {
  return new DifftuneError("FORMAT", `${source.name} is no zip archive that can be read: ${fault}.`, { path: source.name });
}
