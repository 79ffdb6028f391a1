import { DifftuneError } from "../core/errors.js";
import { Dataset } from "../data/dataset.js";
import { readBytes } from "./files.js";

/** Reads a data set. */
export async function readDataset(file: string): Promise<Dataset> {
  const bytes = await readBytes(file);
  try {
    return Dataset.decode(bytes);
  } catch (cause) {
    if (!(cause instanceof DifftuneError)) throw cause;
    throw new DifftuneError("FORMAT", `${file} cannot be used: ${cause.message}`, { path: file, cause, hint: "Make one by difftune demos." });
  }
}
