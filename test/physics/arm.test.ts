import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { measure } from "../close.js";
import { acceleration, forwardKinematics, links, start, wantedVelocity } from "./arm-twin.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
const pair = 0x20000;
const extra = pair + 8192;
/** Pairs of poses: around the start, and all over the working range. */
const random = new PhiloxStream(3);
const around = (spread: number) => start.map((angle) => angle + spread * (2 * random.uniform() - 1));

let folder = "";
let exported: Record<string, (...numbers: number[]) => number>;
let offset: (name: string) => number;
let memory: Float64Array<SharedArrayBuffer>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "arm-probe-"));
  const file = path.join(folder, "probe.wasm");
  await run(process.execPath, [
    path.join(root, "node_modules/assemblyscript/bin/asc.js"), "assembly/probes/arm.ts", "--outFile", file, "--runtime", "stub",
    "--importMemory", "--sharedMemory", "--initialMemory", "3", "--maximumMemory", "3", "--memoryBase", "65536", "-O3", "--noAssert",
    "--use", "abort=", "--enable", "simd", "--enable", "threads",
  ], { cwd: root });
  const shared = new WebAssembly.Memory({ initial: 3, maximum: 3, shared: true });
  const { instance } = await WebAssembly.instantiate(await readFile(file), { env: { memory: shared } });
  exported = instance.exports as typeof exported;
  offset = (name) => Number((instance.exports[name] as WebAssembly.Global).value);
  memory = new Float64Array(shared.buffer as unknown as SharedArrayBuffer);
});

afterAll(async () => rm(folder, { recursive: true }));

/** Writes seven numbers per lane; joint 7's angle is kept turned by -pi/4. */
function put(name: string, lane: number, values: readonly number[], turned = false): void {
  for (const [i, value] of values.entries()) {
    memory[(pair + offset(name)) / 8 + 2 * i + lane] = turned && i === 6 ? value - Math.PI / 4 : value;
  }
}

function get(name: string, lane: number, length = 7): number[] {
  return Array.from({ length }, (_, i) => memory[(pair + offset(name)) / 8 + 2 * i + lane]!);
}

const normals = () => start.map(() => random.normal());

describe("the arm's lanes against its definition", () => {
  test("sines and cosines are within 1 ulp of the host's", () => {
    const angles = Array.from({ length: 4000 }, (_, i) => (i < 3000 ? 8 : 1e5) * (random.uniform() - 0.5));
    let worst = 0;
    for (let i = 0; i < angles.length; i += 2) {
      memory.set(angles.slice(i, i + 2), extra / 8);
      exported.sineCosineOf!(extra, extra + 16, extra + 32);
      for (let lane = 0; lane < 2; lane++) {
        worst = Math.max(worst, Math.abs(memory[extra / 8 + 2 + lane]! - Math.sin(angles[i + lane]!)));
        worst = Math.max(worst, Math.abs(memory[extra / 8 + 4 + lane]! - Math.cos(angles[i + lane]!)));
      }
    }
    expect(worst).toBeLessThanOrEqual(2 ** -52);
  });

  test("tool centre point and rod axis", () => {
    for (let trial = 0; trial < 50; trial++) {
      const poses = [around(0.3), around(2)];
      for (const [lane, q] of poses.entries()) {
        put("Q", lane, q, true);
        put("REF", lane, q, true);
      }
      exported.beginInterval!(pair);
      exported.locateTool!(pair);
      for (const [lane, q] of poses.entries()) {
        const { position, hand } = forwardKinematics(q);
        const expected = [...position, hand[0][2], hand[1][2], hand[2][2]];
        expect(measure([...get("TCP", lane, 3), ...get("AXIS", lane, 3)], expected, { absolute: 2e-15 }).share).toBeLessThanOrEqual(1);
      }
    }
  });

  test("accelerations, gravity and Coriolis torques", () => {
    for (let trial = 0; trial < 50; trial++) {
      const states = [around(0.3), around(3)].map((q) => ({ q, qd: normals(), torque: normals().map((value) => 20 * value) }));
      for (const [lane, { q, qd, torque }] of states.entries()) {
        put("Q", lane, q, true);
        put("REF", lane, q, true);
        put("QD", lane, qd);
        for (const [i, value] of torque.entries()) memory[extra / 8 + 2 * i + lane] = value;
      }
      exported.beginInterval!(pair);
      exported.accelerateWith!(pair, extra);
      for (const [lane, { q, qd, torque }] of states.entries()) {
        const { a, bias } = acceleration(q, qd, torque);
        expect(measure(get("BIAS", lane), bias, { absolute: 2e-13 }).share).toBeLessThanOrEqual(1);
        expect(measure(get("QDD", lane), a, { absolute: 1e-10, relative: 1e-12 }).share).toBeLessThanOrEqual(1);
      }
    }
  });

  test("one millisecond of the reference, with and without clipped eigenvalues", () => {
    let [clipped, free] = [0, 0];
    for (let trial = 0; trial < 200; trial++) {
      const lanes = [around(0.4), around(trial % 3 === 0 ? 1.5 : 0.6)].map((pose) => {
        // The reference never leaves the joint limits.
        const q = pose.map((value, i) => Math.min(upper[i]!, Math.max(lower[i]!, value)));
        const { position } = forwardKinematics(q);
        const goal: [number, number] = [position[0] + 0.02 * random.normal(), position[1] + 0.02 * random.normal()];
        return { q, goal };
      });
      for (const [lane, { q, goal }] of lanes.entries()) {
        put("Q", lane, q, true);
        put("REF", lane, q, true);
        put("GOAL", lane, goal);
        put("GOAL_HEIGHT", lane, [0.12]);
      }
      exported.beginInterval!(pair);
      exported.advanceReference!(pair);
      for (const [lane, { q, goal }] of lanes.entries()) {
        let expected = q;
        for (let iteration = 0; iteration < 3; iteration++) {
          const { w, least } = wantedVelocity(expected, goal);
          if (least < 0.01) clipped++;
          else free++;
          const scale = 0.001 * Math.min(1, 3 / Math.hypot(...w));
          expected = expected.map((value, i) => Math.min(upper[i]!, Math.max(lower[i]!, value + scale * w[i]!)));
        }
        const got = get("REF", lane);
        got[6]! += Math.PI / 4;
        expect(measure(got, expected, { absolute: 2e-12 }).share).toBeLessThanOrEqual(1);
      }
    }
    expect(Math.min(clipped, free)).toBeGreaterThan(100);
  });
});

const lower = [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973];
const upper = [2.8973, 1.7628, 2, -0.0698, 2.8973, 3.7525, 2.8973];

test("the regrouped inertial constants are those of the published links", async () => {
  const offsets = [[0, 0, 0.333], [0, 0, 0], [0, -0.316, 0], [0.0825, 0, 0], [-0.0825, 0.384, 0], [0, 0, 0], [0.088, 0, 0]];
  const twists = [0, -1, 1, 1, -1, 1, 1];
  const c45 = Math.SQRT1_2;
  const bodies = links.map(({ mass, centre, tensor }, i) => {
    const half = 0.5 * (tensor[0][0] + tensor[1][1] + tensor[2][2]);
    let h = centre.map((value) => mass * value);
    let J = centre.map((a, r) => centre.map((b, s) => mass * a * b - tensor[r]![s]! + (r === s ? half : 0)));
    if (i === 6) [h, J] = turn([[c45, -c45, 0], [c45, c45, 0], [0, 0, 1]], h, J);
    return { mass, h, J };
  });
  for (let i = 6; i > 0; i--) {
    const [body, before, p] = [bodies[i]!, bodies[i - 1]!, offsets[i]!];
    const t = twists[i]!;
    const twist = [[1, 0, 0], [0, 0, -t], [0, t, 0]];
    const [h, J] = turn(twist, [0, 0, body.h[2]!], [[0, 0, 0], [0, 0, 0], [0, 0, body.J[2]![2]!]]);
    before.J = before.J.map((row, r) => row.map((value, s) => value + J[r]![s]! + h[r]! * p[s]! + p[r]! * h[s]! + body.mass * p[r]! * p[s]!));
    before.h = before.h.map((value, r) => value + h[r]! + body.mass * p[r]!);
    before.mass += body.mass;
  }
  const source = await readFile(path.join(root, "assembly/physics/arm-model.ts"), "utf8");
  const written = (name: string) => Number(new RegExp(`const ${name}: usize = memory.data<f64>\\(\\[([-0-9.e]+)\\]\\);`).exec(source)?.[1]);
  for (let i = 1; i < 7; i++) {
    const { h, J } = bodies[i]!;
    const names = ["HX", "HY", "XX", "YY", "XY", "XZ", "YZ"].map((name) => (name.startsWith("H") ? `H${i + 1}${name[1]!}` : `J${i + 1}${name}`));
    const expected = [h[0], h[1], J[0]![0], J[1]![1], J[0]![1], J[0]![2], J[1]![2]] as number[];
    expect(measure(names.map(written), expected, { absolute: 1e-15 }).share).toBeLessThanOrEqual(1);
  }
  expect(written("I1ZZ")).toBeCloseTo(bodies[0]!.J[0]![0]! + bodies[0]!.J[1]![1]!, 14);
});

/** h and J of a body in a frame that R leads to. */
function turn(R: readonly (readonly number[])[], h: readonly number[], J: readonly (readonly number[])[]): [number[], number[][]] {
  const sum = (f: (k: number) => number) => f(0) + f(1) + f(2);
  const turned = [0, 1, 2].map((r) => sum((k) => R[r]![k]! * h[k]!));
  return [turned, [0, 1, 2].map((r) => [0, 1, 2].map((s) => sum((k) => sum((l) => R[r]![k]! * J[k]![l]! * R[s]![l]!))))];
}
