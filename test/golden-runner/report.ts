import { isUnread, type GoldenRow } from "./row.ts";

/** The report of all rows: per file and engine the worst quantity, its error and the share of its tolerance. */
export function formatReport(rows: readonly GoldenRow[]): string {
  const groups = new Map<string, GoldenRow[]>();
  for (const row of rows) {
    const key = `${row.file}\u0000${row.engine}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  // File by file, engines below each other.
  const ordered = [...groups.values()].sort(([a], [b]) => (a!.file < b!.file ? -1 : a!.file > b!.file ? 1 : 0));
  const lines = ordered.map((group) => {
    const judged = group.filter((row) => !isUnread(row));
    const { file, engine } = group[0]!;
    const worst = judged.reduce<GoldenRow | undefined>((a, b) => (a === undefined || shareOf(b) > shareOf(a) ? b : a), undefined);
    if (worst === undefined) return [file, engine, "not compared", "", "", "", group[0]!.note ?? ""];
    const passed = judged.length < group.length ? "passed in part" : "passed";
    const state = judged.every((row) => row.passed) ? passed : "FAILED";
    const numbers = [worst.worst.toExponential(2), worst.tolerance.toExponential(0), `${(100 * shareOf(worst)).toPrecision(3)} %`];
    return [file, engine, state, ...numbers, worst.quantity];
  });
  const table = [["file", "engine", "", "worst", "tolerance", "share", "quantity"], ...lines];
  const unread = new Map<string, string[]>();
  for (const row of rows.filter(isUnread)) {
    const what = `${row.file}: ${row.quantity} (${row.note ?? ""})`;
    unread.set(what, [...(unread.get(what) ?? []), row.engine]);
  }
  const list = [...unread].map(([what, engines]) => `  ${what} on ${engines.join(", ")}`);
  return [alignColumns(table), ...(list.length > 0 ? ["", "Not compared, hence not passed:", ...list] : [])].join("\n");
}

/** One line a failed row, for the message of the test. */
export function formatFailures(rows: readonly GoldenRow[]): string {
  return rows
    .filter((row) => !row.passed && !isUnread(row))
    .map(({ file, engine, quantity, worst, tolerance, note }) => {
      const numbers = `error ${worst.toExponential(2)}, tolerance ${tolerance.toExponential(0)}`;
      return `${file} on ${engine}, ${quantity}: ${numbers} (${note ?? ""})`;
    })
    .join("\n");
}

function shareOf(row: GoldenRow): number {
  return row.worst === 0 ? 0 : row.worst / row.tolerance;
}

function alignColumns(table: readonly (readonly string[])[]): string {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  return table.map((line) => line.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()).join("\n");
}
