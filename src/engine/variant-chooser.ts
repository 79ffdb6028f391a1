import type { Device } from "./device.js";
import type { RecordedLaunch } from "./program.js";

/** Says which variant of a kernel a launch runs. Without one, every launch runs the plain variant. */
export interface VariantChooser {
  /** Sees the launches of a program before it is made. May run programs of its own, whose launches name their variant. */
  prepare(device: Device, launches: readonly RecordedLaunch[]): Promise<void>;
  /** The variant of a launch that names none; undefined for the plain one. */
  choose(device: Device, launch: RecordedLaunch): string | undefined;
}
