import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { runAvoidGolden } from "./avoid.ts";
import { runPushtGolden } from "./pusht.ts";
import { formatFailures, formatReport } from "./report.ts";
import { isUnread, type GoldenRow } from "./row.ts";

/** Trajectories in folders of the same form as the published ones: cut shorter, renamed, reordered, and damaged. */
const own = fileURLToPath(new URL("../golden", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "difftune-physics-variants-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

let folderCount = 0;
function freshFolder(): string {
  const name = path.join(folder, String(folderCount++));
  mkdirSync(name);
  return name;
}

function readJson(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path.join(own, name), "utf8")) as Record<string, unknown>;
}

const of = (rows: readonly GoldenRow[], file: string) => rows.filter((row) => row.file === file);
const compared = (rows: readonly GoldenRow[], file: string) => of(rows, file).filter((row) => !isUnread(row));
const hasFailed = (rows: readonly GoldenRow[], file: string) => compared(rows, file).some(({ passed }) => !passed);
const unread = (rows: readonly GoldenRow[], file: string) => of(rows, file).filter(isUnread).map(({ quantity, note }) => `${quantity}: ${note}`);

describe("push-t folders of the same form", () => {
  type Columns = readonly string[];
  const index = readJson("pusht/index.json");
  const columns = index.columns as Columns;
  const substepColumns = index.substep_columns as Columns;
  const traces = index.traces as readonly Record<string, unknown>[];

  interface Cut {
    readonly rename?: (column: string) => string;
    /** Changes of the table, before it is written. */
    readonly damage?: (value: (row: number, column: string) => number, set: (row: number, column: string, to: number) => void) => void;
    /** Changes of the trace's entry in the index; undefined removes a field. */
    readonly entry?: Readonly<Record<string, unknown>>;
  }

  /** The first rows of a published table, its columns the other way round. */
  function recut(file: string, names: Columns, rows: number, { damage }: Cut): Uint8Array {
    const bytes = readFileSync(path.join(own, "pusht", file));
    const all = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    const width = names.length;
    const out = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < width; column++) out[row * width + column] = all[row * width + width - 1 - column]!;
    }
    const place = (row: number, column: string) => row * width + width - 1 - names.indexOf(column);
    damage?.((row, column) => out[place(row, column)]!, (row, column, to) => (out[place(row, column)] = to));
    return new Uint8Array(out.buffer);
  }

  /** Two traces: `sound.f64`, and `tried.f64` with what the test does to it; 12 environment steps of a push on a corner. */
  function writeFolder(cut: Cut = {}): string {
    const target = freshFolder();
    const source = traces.find(({ name }) => name === "a_corner_0")!;
    const { rename = (column: string) => column } = cut;
    const entries = [["sound", {}], ["tried", cut]] as const;
    for (const [name, changes] of entries) {
      writeFileSync(path.join(target, `${name}.f64`), recut("a_corner_0.f64", columns, 13, changes));
      writeFileSync(path.join(target, `${name}.sub.f64`), recut("a_corner_0.sub.f64", substepColumns, 120, {}));
    }
    const content = {
      columns: columns.map(rename).reverse(),
      substep_columns: [...substepColumns].reverse(),
      traces: entries.map(([name, { entry }]: readonly [string, Cut]) => ({
        ...source, name, file: `${name}.f64`, rows: 13, env_steps: 12, substep_file: `${name}.sub.f64`, substep_rows: 120, ...entry,
      })),
    };
    writeFileSync(path.join(target, "index.json"), JSON.stringify(content));
    return target;
  }

  it("a shorter trace of another name, with its columns in another order, is compared bit for bit", async () => {
    const rows = await runPushtGolden(writeFolder());
    expect(formatFailures(rows)).toBe("");
    for (const file of ["sound.f64", "sound.sub.f64", "tried.f64", "tried.sub.f64"]) {
      expect(unread(rows, file)).toEqual([]);
      expect(compared(rows, file).map(({ engine }) => engine).filter((engine) => engine === "fast").length).toBeGreaterThan(2);
      expect(compared(rows, file).every(({ note }) => note === "bit for bit")).toBe(true);
    }
  });

  it("resets, coverage and images that are not there are not compared", async () => {
    const rows = await runPushtGolden(writeFolder());
    for (const file of ["resets.json", "coverage.f64", "images/index.json"]) {
      expect(compared(rows, file)).toEqual([]);
      expect(unread(rows, file)[0]).toMatch(/not in this folder/);
    }
  });

  it.each([
    ["a pose that is 1e-6 off", 7, "block_x", (value: number) => value + 1e-6],
    ["a velocity that is 1e-4 off", 12, "block_w", (value: number) => value + 1e-4],
    ["another number of contact points", 12, "n_contact_points", (value: number) => value + 1],
    ["a pose that is no number", 3, "block_y", () => NaN],
    ["a coverage that is no number", 3, "coverage", () => NaN],
    ["an action that is no number", 3, "action_x", () => NaN],
    ["an infinite velocity", 3, "agent_vx", () => Infinity],
  ])("%s fails, and the other trace passes", async (_, row, column, change) => {
    const rows = await runPushtGolden(writeFolder({ damage: (value, set) => set(row, column, change(value(row, column))) }));
    expect(hasFailed(rows, "tried.f64")).toBe(true);
    expect(hasFailed(rows, "sound.f64")).toBe(false);
    expect(compared(rows, "sound.f64").length).toBeGreaterThan(0);
  });

  it("a file with a broken last row fails, and the other trace passes", async () => {
    const target = writeFolder();
    const file = path.join(target, "tried.f64");
    writeFileSync(file, readFileSync(file).subarray(0, -8));
    const rows = await runPushtGolden(target);
    expect(formatFailures(rows)).toMatch(/^tried.f64 on exact, 1864 bytes are no whole number of rows.*\ntried.f64 on fast/);
    expect(hasFailed(rows, "sound.f64")).toBe(false);
  });

  it("another number of rows than the index says fails", async () => {
    const rows = await runPushtGolden(writeFolder({ entry: { rows: 14 } }));
    expect(formatFailures(of(rows, "tried.f64"))).toMatch(/13 rows in the file, 14 in index.json/);
  });

  it("without rows in the index, the file says how many there are", async () => {
    const rows = await runPushtGolden(writeFolder({ entry: { rows: undefined, substep_rows: undefined, env_steps: undefined } }));
    expect(formatFailures(rows)).toBe("");
    expect(compared(rows, "tried.f64").length).toBeGreaterThan(0);
  });

  it.each(["reset_state", "legacy_set_state"])("a trace without %s is not compared", async (field) => {
    const rows = await runPushtGolden(writeFolder({ entry: { [field]: undefined } }));
    for (const file of ["tried.f64", "tried.sub.f64"]) {
      expect(compared(rows, file)).toEqual([]);
      expect(unread(rows, file)[0]).toMatch(new RegExp(`no ${field}`));
    }
    expect(compared(rows, "sound.f64").length).toBeGreaterThan(0);
  });

  it("renamed columns are listed and nothing of them passes", async () => {
    const rename = (column: string) => (column.startsWith("action") ? column : `${column}_new`);
    const rows = of(await runPushtGolden(writeFolder({ rename })), "sound.f64");
    expect(rows.filter(({ passed }) => passed)).toEqual([]);
    expect(unread(rows, "sound.f64").join()).toMatch(/block_angle_new.*none of this name.*block_angle.*not in the file/);
    const partly = of(await runPushtGolden(writeFolder({ rename: (column) => column.replace("coverage", "cover") })), "sound.f64");
    expect(formatReport(partly)).toMatch(/passed in part[\s\S]*columns cover \(the module[\s\S]*columns coverage \(not in the file/);
    const blind = await runPushtGolden(writeFolder({ rename: (column) => column.replace("action_x", "command_x") }));
    expect(unread(blind, "sound.f64")[0]).toMatch(/there is no column action_x/);
  });

  it("what the index does not list, and everything without an index, is listed and not compared", async () => {
    const target = writeFolder();
    copyFileSync(path.join(target, "sound.f64"), path.join(target, "other.f64"));
    const rows = await runPushtGolden(target);
    expect(unread(rows, "other.f64")[0]).toMatch(/does not say where it starts/);
    rmSync(path.join(target, "index.json"));
    copyFileSync(path.join(own, "pusht/coverage.f64"), path.join(target, "coverage.f64"));
    const without = await runPushtGolden(target);
    expect(unread(without, "index.json")[0]).toMatch(/not in this folder/);
    expect(unread(without, "sound.f64")[0]).toMatch(/does not say where it starts/);
    expect(without.filter((row) => !isUnread(row)).map(({ file, passed }) => [file, passed])).toEqual([["coverage.f64", true]]);
  });

  it("a damaged index fails", async () => {
    const target = writeFolder();
    writeFileSync(path.join(target, "index.json"), "{");
    expect(hasFailed(await runPushtGolden(target), "index.json")).toBe(true);
  });

  it("a reset without a field is compared in the others; a wrong one fails", async () => {
    const target = writeFolder();
    const write = (change: (reset: Record<string, unknown>) => unknown) => {
      const resets = (readJson("pusht/resets.json").resets as Record<string, unknown>[]).slice(0, 3);
      writeFileSync(path.join(target, "resets.json"), JSON.stringify({ resets: resets.map(change) }));
    };
    write((reset) => ({ ...reset, sampled: undefined, legacy: undefined }));
    const rows = await runPushtGolden(target);
    expect(hasFailed(rows, "resets.json")).toBe(false);
    expect(compared(rows, "resets.json").length).toBeGreaterThan(0);
    expect(unread(rows, "resets.json").join()).toMatch(/sampled.*legacy\.obs/);
    write((reset) => ({ ...reset, seed: Number(reset.seed) + 1 }));
    expect(hasFailed(await runPushtGolden(target), "resets.json")).toBe(true);
  });

  it("images without markers or without a canvas are not compared; a wrong pixel fails", async () => {
    const target = writeFolder();
    const images = readJson("pusht/images/index.json");
    const frames = images.frames as Record<string, unknown>[];
    mkdirSync(path.join(target, "images"));
    const write = (content: unknown) => {
      writeFileSync(path.join(target, "images/index.json"), JSON.stringify(content));
    };
    const pixels = readFileSync(path.join(own, "pusht/images/canvas0.u8"));
    writeFileSync(path.join(target, "images/canvas0.u8"), pixels);
    write(images);
    expect(compared(await runPushtGolden(target), "canvas0.u8").map(({ passed }) => passed)).toEqual([true]);
    write({ ...images, frames: frames.map((frame) => ({ ...frame, contact_marker_segments: undefined })) });
    const unmarked = await runPushtGolden(target);
    expect(compared(unmarked, "canvas0.u8")).toEqual([]);
    expect(unread(unmarked, "canvas0.u8")[0]).toMatch(/no contact_marker_segments/);
    write({ ...images, canvas: undefined });
    expect(unread(await runPushtGolden(target), "images/index.json")[0]).toMatch(/^canvas/);
    pixels[1000] = pixels[1000] === 0 ? 1 : 0;
    writeFileSync(path.join(target, "images/canvas0.u8"), pixels);
    write(images);
    expect(hasFailed(await runPushtGolden(target), "canvas0.u8")).toBe(true);
  });
});

describe("avoid folders of the same form", () => {
  type Fields = Record<string, unknown>;
  const lists = ["actions", "contact", "reward_m5"];
  const rowLists = ["c", "tip"];

  /** A published trace without its last steps, in which nothing happens: flags and return stay. */
  function recut(name: string, dropped: number): Fields {
    const trace = readJson(`avoid/${name}.json`);
    const cut = Object.fromEntries([...lists, ...rowLists].map((field) => [field, (trace[field] as unknown[]).slice(0, -dropped)]));
    const total = (cut.reward_m5 as number[]).reduce((sum, reward) => sum + reward, 0);
    return { ...trace, ...cut, name: "tried", return_m5: total };
  }

  function writeFolder(tried: Fields | string, listed: readonly string[] = ["sound.json", "tried.json"]): string {
    const target = freshFolder();
    writeFileSync(path.join(target, "sound.json"), JSON.stringify(recut("t02_line_y_slow", 7)));
    writeFileSync(path.join(target, "tried.json"), typeof tried === "string" ? tried : JSON.stringify(tried));
    writeFileSync(path.join(target, "index.json"), JSON.stringify({ traces: listed.map((file) => ({ file })) }));
    return target;
  }

  const straight = recut("t03_line_y_fast", 9);
  const pushed = recut("t11_contact_l1_headon", 5);

  it.each([["free", straight], ["pushed", pushed]])("a shorter trace of another name is within its tolerances: %s", async (_, trace) => {
    const rows = await runAvoidGolden(writeFolder(trace));
    expect(formatFailures(rows)).toBe("");
    expect(rows.filter(isUnread)).toEqual([]);
    expect(new Set(compared(rows, "tried.json").map(({ engine }) => engine))).toEqual(new Set(["Level A", "Level P"]));
  });

  const changed = (field: string, change: (list: unknown[]) => unknown[]): Fields => ({ ...straight, [field]: change(straight[field] as unknown[]) });
  const at = (place: number, value: unknown) => (list: unknown[]) => list.with(place, value);
  it.each<[string, Fields | string]>([
    ["a position that is 1e-4 off", changed("c", (list) => list.with(20, (list[20] as number[]).map((value) => value + 1e-4)))],
    ["a position that is null", changed("c", at(20, [null, 0, 0.12]))],
    ["a position that is no number", JSON.stringify(changed("c", at(20, ["?", 0, 0.12]))).replace('"?"', "NaN")],
    ["a position without height", changed("c", at(20, [0.5, 0]))],
    ["too few positions", changed("c", (list) => list.slice(0, -1))],
    ["another reward", changed("reward_m5", at(3, 1))],
    ["too few rewards", changed("reward_m5", (list) => list.slice(0, -1))],
    ["a reward that is null", changed("reward_m5", at(3, null))],
    ["another mode", changed("mode_encoding", at(0, 1))],
    ["too few mode flags", changed("mode_encoding", (list) => list.slice(0, 8))],
    ["a collision that was none", { ...straight, collided: true }],
    ["another return", { ...straight, return_m5: 1000 }],
    ["a contact that was none", changed("contact", at(30, 1))],
    ["a missing list of actions", { ...straight, actions: undefined }],
    ["half a file", JSON.stringify(straight).slice(0, 900)],
  ])("%s fails, and the other trace passes", async (_, tried) => {
    const rows = await runAvoidGolden(writeFolder(tried));
    expect(hasFailed(rows, "tried.json")).toBe(true);
    expect(hasFailed(rows, "sound.json")).toBe(false);
    expect(compared(rows, "sound.json").length).toBeGreaterThan(0);
  });

  it.each([
    ["reward_m5", "reward"],
    ["mode_encoding", "mode flags"],
    ["collided", "collision"],
    ["contact", "contact"],
    ["return_m5", "return"],
  ])("a missing %s is not compared, and the rest is", async (field, quantity) => {
    const rows = await runAvoidGolden(writeFolder({ ...straight, [field]: undefined }));
    expect(hasFailed(rows, "tried.json")).toBe(false);
    expect(compared(rows, "tried.json").length).toBeGreaterThan(0);
    expect(compared(rows, "tried.json").some((row) => row.quantity === quantity)).toBe(false);
    expect(unread(rows, "tried.json").join()).toContain(`${quantity}: the trace does not have it`);
  });

  it("positions are not compared where nobody can say up to which step", async () => {
    const rows = await runAvoidGolden(writeFolder({ ...pushed, contact: undefined }));
    expect(hasFailed(rows, "tried.json")).toBe(false);
    expect(compared(rows, "tried.json").some(({ quantity }) => quantity.startsWith("position"))).toBe(false);
    expect(unread(rows, "tried.json").join()).toMatch(/position \(m\): .*first contact is unknown/);
    const far = await runAvoidGolden(writeFolder({ ...recut("t05_diag_fast", 3), tip: undefined }));
    expect(unread(far, "tried.json").join()).toMatch(/position \(m\): .*lands on the table is unknown/);
    const near = await runAvoidGolden(writeFolder({ ...straight, tip: undefined }));
    expect(compared(near, "tried.json").map(({ quantity }) => quantity)).toContain("position (m)");
    expect(formatFailures(near)).toBe("");
  });

  it("a trace that starts in contact passes no position", async () => {
    const rows = await runAvoidGolden(writeFolder(changed("contact", at(0, 0))));
    expect(compared(rows, "tried.json").some(({ quantity }) => quantity.startsWith("position ("))).toBe(false);
    expect(unread(rows, "tried.json").join()).toContain("position (m): it starts in contact");
    expect(hasFailed(rows, "tried.json")).toBe(true);
  });

  it("traces are found with an index that lists others, a damaged one and none", async () => {
    const target = writeFolder(straight, ["gone.json"]);
    writeFileSync(path.join(target, "notes.json"), "{}");
    const rows = await runAvoidGolden(target);
    expect(unread(rows, "gone.json")[0]).toMatch(/not in this folder/);
    expect(unread(rows, "notes.json")[0]).toMatch(/nor a trace/);
    for (const file of ["sound.json", "tried.json"]) expect(compared(rows, file).every(({ passed }) => passed)).toBe(true);
    writeFileSync(path.join(target, "index.json"), "[]");
    const damaged = await runAvoidGolden(target);
    expect(hasFailed(damaged, "index.json")).toBe(true);
    expect(compared(damaged, "tried.json").length).toBeGreaterThan(0);
    rmSync(path.join(target, "index.json"));
    const without = await runAvoidGolden(target);
    expect(formatFailures(without)).toBe("");
    expect(compared(without, "tried.json").length).toBeGreaterThan(0);
  });
});
