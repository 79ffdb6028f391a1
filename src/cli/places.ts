import { open, readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { ByteSource, Folder } from "../io/byte-source.js";
import { fileError, systemCode } from "./files.js";

/** A file or a folder of this machine, for the readers of recordings. Files are read in ranges, and none stays open. */
export async function openPlace(place: string): Promise<ByteSource | Folder> {
  const { isFolder, size } = await look(place);
  return isFolder ? folderAt(place) : fileAt(place, size);
}

/** A file of this machine. */
export async function openFile(place: string): Promise<ByteSource> {
  return fileAt(place, (await look(place)).size);
}

async function look(place: string): Promise<{ readonly isFolder: boolean; readonly size: number }> {
  try {
    const found = await stat(place);
    return { isFolder: found.isDirectory(), size: found.size };
  } catch (cause) {
    throw fileError("read", place, cause);
  }
}

function folderAt(place: string): Folder {
  return {
    name: place,
    async names() {
      const entries = await readdir(place, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => !entry.isDirectory()).map((entry) => path.relative(place, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"));
    },
    async open(name) {
      // What a description inside a folder names lies inside the folder.
      if (path.isAbsolute(name) || name.split(/[/\\]/).includes("..")) return undefined;
      const file = path.join(place, name);
      try {
        const found = await stat(file);
        return found.isDirectory() ? undefined : fileAt(file, found.size);
      } catch (cause) {
        if (["ENOENT", "ENOTDIR"].includes(systemCode(cause) ?? "")) return undefined;
        throw fileError("read", file, cause);
      }
    },
  };
}

function fileAt(name: string, size: number): ByteSource {
  return {
    name,
    size,
    async read(offset, length) {
      try {
        await using file = await open(name);
        const bytes = new Uint8Array(Math.max(Math.min(length, size - offset), 0));
        let filled = 0;
        while (filled < bytes.byteLength) {
          const { bytesRead } = await file.read(bytes, filled, bytes.byteLength - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      } catch (cause) {
        throw fileError("read", name, cause);
      }
    },
  };
}
