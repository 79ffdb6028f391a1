import { DifftuneError } from "../core/errors.js";
import { parseOptions } from "../core/options.js";
import { readWhole, type ByteSource, type Folder } from "../io/byte-source.js";
import { openZip } from "../io/zip.js";
import { openD3il } from "./d3il-files.js";
import { Dataset } from "./dataset.js";
import { openDppoArchive, openDppoPickle, openPickle } from "./dppo-files.js";
import { lerobotDescription, openLeRobot, openParquet } from "./lerobot.js";
import { recordingSchema, type Recording, type RecordingOptions, type RecordingSettings } from "./recording.js";
import { findReplayBuffer, openReplayBuffer } from "./replay-buffer.js";

const trainingFile = "train.npz";
const normalizationFile = "normalization.npz";
/** A data set of this package is held in memory as a whole. */
const datasetLimitBytes = 2 ** 32;
const hint = "Known are data sets of this package, DPPO's npz and pickles, D3IL's pickles, replay buffers in Zarr (folder or zip), and LeRobot's Parquet.";

/**
 * Opens recorded episodes in any of the formats of the field, found out by their content, and reads nothing of the
 * episodes yet. `place` is a file or a folder; the libraries for Zarr and Parquet are loaded when they are needed.
 *
 * @example
 * const recording = await openRecording(bytesSource(bytes, "train.npz"));
 * for await (const episode of recording.episodes()) look(episode);   // one at a time
 * const dataset = await loadRecording(recording);                     // or all at once
 */
export async function openRecording(place: ByteSource | Folder, options: RecordingOptions = {}): Promise<Recording> {
  const settings = parseOptions(recordingSchema, options, "openRecording");
  return "read" in place ? openFile(place, settings) : openFolder(place, settings);
}

async function openFile(file: ByteSource, settings: RecordingSettings): Promise<Recording> {
  const start = String.fromCharCode(...(await file.read(0, 9)));
  if (start.startsWith("PK")) return openArchive(await openZip(file), settings);
  if (start.startsWith("PAR1")) return openParquet(file, settings);
  if (start.startsWith("\x80")) {
    const content = await openPickle(file);
    return content.has("robot") ? openD3il([file], settings) : openDppoPickle(content, file.name, settings);
  }
  if (start.slice(8) === "{") return openDataset(Dataset.decode(await readWhole(file, datasetLimitBytes)));
  throw unknownFormat(file.name);
}

async function openArchive(archive: Folder, settings: RecordingSettings): Promise<Recording> {
  if ((await archive.open("traj_lengths.npy")) !== undefined) return openDppoArchive(archive, settings);
  const root = await findReplayBuffer(archive);
  if (root !== undefined) return openReplayBuffer(archive, root, settings);
  throw unknownFormat(archive.name);
}

async function openFolder(folder: Folder, settings: RecordingSettings): Promise<Recording> {
  if ((await folder.open(lerobotDescription)) !== undefined) return openLeRobot(folder, settings);
  const training = await folder.open(trainingFile);
  if (training !== undefined) {
    const normalization = settings.normalization ?? (await folder.open(normalizationFile));
    return openFile(training, { ...settings, ...(normalization && { normalization }) });
  }
  const root = await findReplayBuffer(folder);
  if (root !== undefined) return openReplayBuffer(folder, root, settings);
  const pickles = (await folder.names()).filter((name) => name.endsWith(".pkl"));
  const files = (await Promise.all(pickles.map((name) => folder.open(name)))).filter((file) => file !== undefined);
  if (files.length > 0) return openD3il(files, settings);
  throw unknownFormat(folder.name);
}

function openDataset(dataset: Dataset): Recording {
  return {
    format: "difftune, data set",
    source: dataset.source,
    episodeCount: dataset.episodeCount,
    statistics: dataset.statistics,
    async *episodes() { for (const episode of dataset.episodes()) yield await Promise.resolve(episode); },
  };
}

function unknownFormat(name: string): DifftuneError {
  return new DifftuneError("FORMAT", `${name} is no recording in a known format.`, { hint, path: name });
}
