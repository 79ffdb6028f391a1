import { DifftuneError } from "../core/errors.js";
import { readSafetensors, writeSafetensors, type Safetensors } from "./safetensors.js";

/** Where a state stands in its run, kept in the same file so that the two cannot part. */
export interface CheckpointPlace {
  /** The last iteration, or in pre-training gradient step, that the log tells of and the state has learned from. */
  readonly iteration: number;
  /** How good the policy was there, more is better, rank before value; absent where nothing was measured. */
  readonly score?: readonly [rank: number, value: number];
}

/** A state of a training run that was read back and found whole. */
export interface Checkpoint extends CheckpointPlace {
  /** What `Training.save` gave. */
  readonly state: Uint8Array;
}

const names = { iteration: "run.iteration", score: "run.score", checksum: "run.checksum" } as const;

/** CRC-32 (IEEE 802.3), reflected polynomial 0xedb88320, eight bits a step. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** The sum by which a flipped bit is noticed. */
function checksum(bytes: Uint8Array): string {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 0xff]!;
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}

/** The bytes of a checkpoint: the state's own safetensors file, with its place and a checksum added to the metadata. */
export function encodeCheckpoint({ state, iteration, score }: Checkpoint): Uint8Array {
  const content = readSafetensors(state);
  const metadata = new Map(content.metadata);
  metadata.set(names.iteration, String(iteration));
  if (score !== undefined) metadata.set(names.score, JSON.stringify(score));
  metadata.set(names.checksum, checksum(writeSafetensors(content)));
  return writeSafetensors({ metadata, tensors: content.tensors });
}

/** Reads a checkpoint; a file that is cut off or has a changed bit is a `FORMAT` error. */
export function decodeCheckpoint(file: Uint8Array): Checkpoint {
  const content = readSafetensors(file);
  const place = decodePlace(content);
  const metadata = new Map(content.metadata);
  for (const name of Object.values(names)) metadata.delete(name);
  const state = writeSafetensors({ metadata, tensors: content.tensors });
  const [expected, got] = [content.metadata.get(names.checksum), checksum(state)];
  if (expected !== got) throw new DifftuneError("FORMAT", "The checksum of the checkpoint does not fit its content.", { expected, got });
  return { ...place, state };
}

function decodePlace({ metadata }: Safetensors): CheckpointPlace {
  const iteration = Number(metadata.get(names.iteration) ?? Number.NaN);
  if (!Number.isSafeInteger(iteration)) throw new DifftuneError("FORMAT", "The file is no checkpoint of a run.", { path: names.iteration, got: metadata.get(names.iteration) });
  const text = metadata.get(names.score);
  if (text === undefined) return { iteration };
  const [, rank, value] = /^\[(\d+),(-?[\d.e+-]+)\]$/.exec(text) ?? [];
  if (rank === undefined || value === undefined) throw new DifftuneError("FORMAT", "The score of the checkpoint is no pair of numbers.", { path: names.score, got: text });
  return { iteration, score: [Number(rank), Number(value)] };
}
