import { bytesSource, type Folder } from "../../../src/io/byte-source.js";

/** A folder that is in memory. */
export function memoryFolder(files: Readonly<Record<string, Uint8Array>>, name = "folder"): Folder {
  return {
    name,
    names: () => Promise.resolve(Object.keys(files)),
    open: (path) => Promise.resolve(files[path] && bytesSource(files[path], `${name}/${path}`)),
  };
}

/** A text as a file. */
export function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
