import { LinearMemory } from "../../src/core/linear-memory.ts";
import { PhysicsBatch } from "./physics-batch.ts";

/** What a Push-T batch of the tests is made of; the rest is left at the module's defaults. */
export interface PushtBatchOptions {
  readonly count: number;
  readonly chunk?: number;
  readonly stacked?: number;
  readonly observationKind?: "PUSHT_STATE" | "PUSHT_KEYPOINTS" | "PUSHT_CORNERS";
  /** RECORD_OBSERVATIONS = 1, RECORD_TRACE = 2. */
  readonly record?: number;
}

/** A batch of Push-T environments, seen through the module's own exports. */
export class PushtBatch extends PhysicsBatch {
  constructor({ observationKind = "PUSHT_STATE", ...shape }: PushtBatchOptions, memory = new LinearMemory()) {
    super("pusht", { ...shape, observationKind }, memory);
  }
}
