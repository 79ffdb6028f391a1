import { DifftuneError } from "../core/errors.js";
import type { Demonstration } from "../envs/demonstration.js";
import type { ByteSource } from "../io/byte-source.js";
import { NumpyArray, type Unpickled } from "../io/pickle.js";
import { readDoubles } from "../io/safetensors.js";
import { avoidNames, openPickle } from "./dppo-files.js";
import { sourceWith, type Recording, type RecordingSettings } from "./recording.js";

/** The line behind which D3IL counts an episode of Avoid as a success, metres. */
const finishY = 0.35;

/**
 * The recordings of D3IL's obstacle avoidance, one pickle an episode: `robot.des_c_pos` and `robot.c_pos` [R, 3], a row
 * every 35 ms. Observation n is (desired x, y, actual x, y) of row n, action n the step to the desired position of row
 * n + 1; the last row has none. Episodes come in the order of their names and are labelled by them.
 */
export function openD3il(files: readonly ByteSource[], settings: RecordingSettings): Recording {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    format: "D3IL, a pickle an episode",
    source: sourceWith(settings, [{ name: "observation", width: 4 }], [{ name: "action", width: 2 }], { environment: "avoid", ...avoidNames }),
    episodeCount: sorted.length,
    statistics: undefined,
    async *episodes() {
      for (const file of sorted) yield episodeOf(await openPickle(file), file.name);
    },
  };
}

function episodeOf(content: ReadonlyMap<Unpickled, Unpickled>, name: string): Demonstration {
  const robot = content.get("robot");
  const positions = (key: string): Float64Array => {
    const found = robot instanceof Map ? (robot as ReadonlyMap<Unpickled, Unpickled>).get(key) : undefined;
    if (!(found instanceof NumpyArray) || found.tensor.shape.length !== 2 || found.tensor.shape[1] !== 3) {
      throw new DifftuneError("FORMAT", `${name} has no array "robot.${key}" [rows, 3].`, { hint: "Is it an episode of D3IL's avoidance?", path: `robot.${key}` });
    }
    return readDoubles(found.tensor);
  };
  const [desired, actual] = [positions("des_c_pos"), positions("c_pos")];
  if (desired.length !== actual.length || desired.length < 6) {
    throw new DifftuneError("FORMAT", `${name} has ${desired.length / 3} desired and ${actual.length / 3} actual positions; an episode has two or more of both.`, { path: "robot.c_pos", expected: desired.length / 3, got: actual.length / 3 });
  }
  const length = desired.length / 3 - 1;
  const place = (positions: Float64Array, step: number, axis: number): number => positions[3 * step + axis]!;
  return {
    observations: Float32Array.from({ length: 4 * length }, (_, index) => place(index % 4 < 2 ? desired : actual, Math.floor(index / 4), index % 2)),
    actions: Float32Array.from({ length: 2 * length }, (_, index) => place(desired, Math.floor(index / 2) + 1, index % 2) - place(desired, Math.floor(index / 2), index % 2)),
    rewards: new Float32Array(length),
    seed: 0,
    success: place(actual, length, 1) > finishY,
    label: name.replace(/^.*\//, "").replace(/\.\w+$/, ""),
  };
}
