import type { Device } from "../../src/engine/device.ts";
import type { GoldenComparison } from "./comparison.ts";
import type { GoldenFile } from "./golden-file.ts";

/**
 * Compares everything of one golden file with what the package computes on one engine. Sizes, options and case names
 * come from the file; what the package has no code for is passed to `comparison.unread`.
 */
export type Reader = (golden: GoldenFile, device: Device, comparison: GoldenComparison) => Promise<void>;
