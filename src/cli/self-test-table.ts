import { selfTest, type SelfTestRow } from "../kernels/self-test/self-test.js";
import type { Device } from "../engine/device.js";
import { ProgressLine } from "./progress.js";

/** Runs the self-test of a device with progress; gives all rows. */
export async function runSelfTest(device: Device): Promise<SelfTestRow[]> {
  const rows: SelfTestRow[] = [];
  const progress = new ProgressLine();
  for await (const row of selfTest(device)) {
    rows.push(row);
    progress.show(`self-test on ${device.info.engine}: ${rows.length} kernels, now ${row.kernel}`);
  }
  progress.end(`self-test on ${device.info.engine}: ${summary(rows)}`);
  return rows;
}

function summary(rows: readonly SelfTestRow[]): string {
  const failed = rows.filter((row) => !row.passed).length;
  const seconds = rows.reduce((sum, row) => sum + row.milliseconds, 0) / 1000;
  return `${rows.length - failed} passed, ${failed} failed in ${seconds.toFixed(1)} s`;
}

/** A row a kernel and variant: verdict, worst error, share of its tolerance, time. */
export function formatSelfTest(rows: readonly SelfTestRow[]): string {
  const name = ({ kernel, variant }: SelfTestRow): string => (variant === "main" ? kernel : `${kernel} ${variant}`);
  const width = Math.max(...rows.map((row) => name(row).length), "kernel".length);
  const line = (first: string, verdict: string, worst: string, share: string, time: string): string =>
    `${first.padEnd(width)}  ${verdict.padEnd(6)}  ${worst.padStart(8)}  ${share.padStart(9)}  ${time.padStart(8)}`;
  return [
    line("kernel", "", "worst", "of limit", "ms"),
    ...rows.map((row) => {
      const share = Number.isFinite(row.worst) ? `${((100 * row.worst) / row.tolerance).toFixed(1)} %` : "";
      const verdict = line(name(row), row.passed ? "passed" : "FAILED", row.worst.toExponential(1), share, row.milliseconds.toFixed(1));
      return row.error === undefined ? verdict : `${verdict}\n  ${row.error}`;
    }),
  ].join("\n");
}
