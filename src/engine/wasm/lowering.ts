import { DifftuneError } from "../../core/errors.js";
import type { LinearMemory } from "../../core/linear-memory.js";
import { variantsOf } from "../kernel-spec.js";
import { TemporaryStorage, type RecordedLaunch } from "../program.js";
import type { Tensor } from "../tensor.js";

/** Planned memory of a program's temporaries. */
export type WasmSlots = readonly { readonly pointer: number; readonly byteLength: number }[];

/** A program in linear memory. */
export interface LoweredProgram {
  /** Pointer of its table. */
  readonly table: number;
  /** Brings the barriers up to date after parameters have changed; to be called before a run. */
  readonly refresh: () => void;
}

/** What lowering needs to know of its device. */
export interface LoweringContext {
  /** Runs work at once, or behind the runs that are still pending in a page. */
  readonly inOrder: (work: () => void) => void;
  readonly pointerOf: (tensor: Tensor) => number | undefined;
  readonly slots: WasmSlots;
  readonly operatorCode: (name: string) => number;
  readonly chooseVariant: ((launch: RecordedLaunch) => string | undefined) | undefined;
}

const headerBytes = 16;
const launchBytes = 20;
const barrierBefore = 1;
const claimed = 2;

/** A launch with this much work, in this many units or more, is worth being claimed piece by piece. */
const claimedFlops = 5e7;
const claimedUnits = 480;

/** Whether threads take units of a launch as they get done, instead of fixed shares: it must write nothing but rows. */
function isClaimed({ spec }: RecordedLaunch, params: Record<string, number>, units: number): boolean {
  return units >= claimedUnits
    && (spec.flops?.(params) ?? 0) >= claimedFlops
    && Object.values(spec.buffers).every(({ access, rows }) => access === "read" || rows === true);
}

/** One buffer of one launch, as the barrier plan sees it. */
interface Access {
  readonly from: number;
  readonly to: number;
  readonly writes: boolean;
  /** Units of the row split that the buffer follows; 0 when any thread may touch any part, as where units are claimed. */
  readonly rowUnits: number;
}

function namedParams(launch: RecordedLaunch, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(Object.keys(launch.spec.params).map((name, at) => [name, values[at] ?? 0]));
}

/**
 * Decides where barriers stand: before a launch that touches memory which another thread may have written, or may still
 * be reading, since the last barrier. Two launches that split the same memory into the same rows never conflict,
 * because a thread owns the same rows in both.
 */
function planBarriers(launches: readonly { accesses: readonly Access[] }[]): boolean[] {
  let since: Access[] = [];
  return launches.map(({ accesses }) => {
    const conflicts = accesses.some((access) => since.some((earlier) =>
      access.from < earlier.to && earlier.from < access.to
      && (access.writes || earlier.writes)
      && !(access.rowUnits > 0 && access.rowUnits === earlier.rowUnits && access.from === earlier.from && access.to === earlier.to)));
    if (conflicts) since = [];
    since.push(...accesses);
    return conflicts;
  });
}

/**
 * Writes the table of a program (format: assembly/runner/index.ts) into linear memory. The allocation is added to
 * `pointers`, which the program frees.
 */
export function lowerLaunches(
  launches: readonly RecordedLaunch[],
  memory: LinearMemory,
  control: number,
  pointers: number[],
  context: LoweringContext,
): LoweredProgram {
  const argsWords = launches.map(({ spec }) => Object.keys(spec.params).length + Object.keys(spec.buffers).length + 1);
  const tableBytes = headerBytes + launches.length * launchBytes;
  const table = memory.allocate(tableBytes + argsWords.reduce((sum, words) => sum + words * 4, 0));
  pointers.push(table);

  const resolve = (tensor: Tensor): number => {
    if (tensor.storage instanceof TemporaryStorage) {
      const slot = context.slots[tensor.storage.slot];
      if (slot === undefined) throw new DifftuneError("INVARIANT", `Temporary "${tensor.label}" has no slot.`);
      return slot.pointer + tensor.byteOffset;
    }
    const pointer = context.pointerOf(tensor);
    if (pointer === undefined) throw new DifftuneError("INVARIANT", `Tensor "${tensor.label}" is of another engine.`);
    return pointer;
  };

  const accessesOf = (launch: RecordedLaunch, params: Record<string, number>, rowUnits: number): Access[] =>
    Object.values(launch.spec.buffers).flatMap((buffer, at) => {
      const tensor = launch.tensors[at];
      if (tensor === undefined) return [];
      const from = resolve(tensor);
      const writes = buffer.access !== "read";
      // A row-split buffer is compared as the exact range that the launch covers, so that equal ranges and units mean
      // equal rows; any other as the view that the launch was given, whatever its parameters become.
      return buffer.rows === true
        ? [{ from, to: from + buffer.length(params) * 4, writes, rowUnits }]
        : [{ from, to: from + tensor.byteLength, writes, rowUnits: 0 }];
    });

  const header = memory.u32(table, headerBytes / 4);
  header[0] = launches.length;
  header[1] = control;

  // What the table holds now; in a page it lags behind the launches while earlier runs are pending.
  const applied = launches.map((launch) => [...launch.values]);
  let isStale = true;
  const refresh = (): void => {
    if (!isStale) return;
    isStale = false;
    const described = launches.map((launch, index) => {
      const params = namedParams(launch, applied[index] ?? launch.values);
      const units = launch.spec.units(params);
      const isShared = isClaimed(launch, params, units);
      return { units, isShared, accesses: accessesOf(launch, params, isShared ? 0 : units) };
    });
    const barriers = planBarriers(described);
    for (const [index, { units, isShared }] of described.entries()) {
      const words = memory.u32(table + headerBytes + index * launchBytes, launchBytes / 4);
      words[1] = units;
      words[3] = (barriers[index] === true ? barrierBefore : 0) | (isShared ? claimed : 0);
    }
  };

  let args = table + tableBytes;
  for (const [index, launch] of launches.entries()) {
    const words = memory.u32(table + headerBytes + index * launchBytes, launchBytes / 4);
    words[0] = context.operatorCode(launch.spec.name);
    words[2] = args;
    const types = Object.values(launch.spec.params);
    const argsU32 = memory.u32(args, argsWords[index] ?? 0);
    const argsF32 = memory.f32(args, types.length);
    const writeParams = (values: readonly number[]): void => {
      for (const [at, type] of types.entries()) {
        if (type === "u32") argsU32[at] = values[at] ?? 0;
        else argsF32[at] = values[at] ?? 0;
      }
    };
    writeParams(launch.values);
    for (const [at, tensor] of launch.tensors.entries()) {
      argsU32[types.length + at] = tensor === undefined ? 0 : resolve(tensor);
    }
    argsU32[types.length + launch.tensors.length] = variantIndex(launch, context);
    launch.commit = () => {
      const values = [...launch.values];
      context.inOrder(() => {
        writeParams(values);
        const before = launch.spec.units(namedParams(launch, applied[index] ?? values));
        applied[index] = values;
        if (launch.spec.units(namedParams(launch, values)) !== before) isStale = true;
      });
    };
    args += (argsWords[index] ?? 0) * 4;
  }
  refresh();
  return { table, refresh };
}

function variantIndex(launch: RecordedLaunch, context: LoweringContext): number {
  const variants = variantsOf(launch.spec, "wasm");
  const asked = launch.variant ?? context.chooseVariant?.(launch);
  if (asked === undefined) return 0;
  const index = variants.indexOf(asked);
  if (index < 0) {
    throw new DifftuneError("KERNEL_LAUNCH", `${launch.label}: there is no variant "${asked}".`, {
      hint: `The WASM variants are ${variants.join(", ")}.`,
      kernel: launch.spec.name,
    });
  }
  return index;
}
