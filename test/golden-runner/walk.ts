import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import type { Reader } from "./reader.ts";
import { readerOf } from "./readers.ts";
import type { GoldenRow } from "./row.ts";
import { runAvoidGolden } from "./avoid.ts";
import { runPushtGolden } from "./pusht.ts";

/** Something of the golden folder that can be compared, or that nothing here can read. */
export type GoldenEntry =
  | { readonly kind: "file"; readonly name: string; readonly reader: Reader | undefined }
  | { readonly kind: "folder"; readonly name: string; readonly run: () => Promise<GoldenRow[]> };

/** Folders of safetensors files; each file has a reader of its own, run on every engine. */
const fileFolders = ["dppo", "alignment"] as const;
/** Folders of trajectories; each has one reader for all of it, which names the engine of every row. */
const traceFolders = { pusht: runPushtGolden, avoid: runAvoidGolden } as const;

/** What the golden folder holds, in order. Anything but the four folders is left alone. */
export function walkGolden(root: string): GoldenEntry[] {
  if (!existsSync(root)) throw new RangeError(`there is no golden folder ${root}; DIFFTUNE_GOLDEN names another`);
  const files = fileFolders
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      readdirSync(path.join(root, folder))
        .filter((file) => file.endsWith(".safetensors"))
        .sort()
        .map((file) => `${folder}/${path.basename(file, ".safetensors")}`),
    );
  const folders = Object.entries(traceFolders).filter(([folder]) => existsSync(path.join(root, folder)));
  return [
    ...files.map((name): GoldenEntry => ({ kind: "file", name, reader: readerOf(name) })),
    ...folders.map(
      ([name, run]): GoldenEntry => ({ kind: "folder", name, run: () => run(path.join(root, name)) }),
    ),
  ];
}
