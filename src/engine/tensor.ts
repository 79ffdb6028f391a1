import { DifftuneError } from "../core/errors.js";
import type { ScalarType } from "./kernel-spec.js";

/** Bytes to which both engines align the start of a view that a kernel is given (WebGPU's default limit). */
export const viewAlignmentBytes = 256;
const elementBytes = 4;

/** Where a tensor lives: one allocation of an engine. Engines extend it with their own handle. */
export interface Storage {
  readonly label: string;
  readonly byteLength: number;
}

/** Number of elements of a shape; refuses what is no shape. */
export function elementCount(shape: readonly number[], label: string): number {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size <= 0) {
      throw new DifftuneError("SHAPE", `Tensor "${label}" has the shape [${shape.join(", ")}].`, {
        hint: "Every size must be a positive whole number.",
        got: shape,
      });
    }
    count *= size;
  }
  if (!Number.isSafeInteger(count) || count * elementBytes > 2 ** 32) {
    throw new DifftuneError("SHAPE", `Tensor "${label}" of shape [${shape.join(", ")}] is too large to address.`, {
      got: shape,
    });
  }
  return count;
}

/** Elements in a row, somewhere on a device: a storage, an offset, a shape. Immutable; the elements are not. */
export class Tensor {
  readonly label: string;
  readonly dtype: ScalarType;
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly length: number;
  /** First byte inside the storage. */
  readonly byteOffset: number;
  readonly storage: Storage;

  constructor(storage: Storage, shape: readonly number[], dtype: ScalarType, label: string, byteOffset = 0) {
    this.length = elementCount(shape, label);
    this.storage = storage;
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.label = label;
    this.byteOffset = byteOffset;
    if (byteOffset + this.byteLength > storage.byteLength) {
      throw new DifftuneError("SHAPE", `View "${label}" ends beyond its tensor "${storage.label}".`, {
        expected: `at most ${storage.byteLength} bytes`,
        got: byteOffset + this.byteLength,
      });
    }
  }

  /** Number of bytes. */
  get byteLength(): number {
    return this.length * elementBytes;
  }

  /**
   * The same memory under another shape, from element `offset` on. Kernels take views that start on 64-element
   * boundaries.
   */
  view(offset: number, shape: readonly number[], label = `${this.label}[${offset}]`): Tensor {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new DifftuneError("SHAPE", `View "${label}" starts at element ${offset}.`, {
        hint: "An offset is a whole number from 0.",
        got: offset,
      });
    }
    const length = elementCount(shape, label);
    if (offset + length > this.length) {
      throw new DifftuneError("SHAPE", `View "${label}" ends beyond "${this.label}".`, {
        expected: `at most ${this.length} elements`,
        got: offset + length,
      });
    }
    return new Tensor(this.storage, shape, this.dtype, label, this.byteOffset + offset * elementBytes);
  }

  /** Whether two tensors share a storage, which is what WebGPU's rules about aliasing look at. */
  sharesStorageWith(other: Tensor): boolean {
    return this.storage === other.storage;
  }
}

/** Refuses data of another length than the tensor that it is for. */
export function checkLength(data: ArrayLike<number>, length: number, label: string): void {
  if (data.length !== length) {
    throw new DifftuneError("SHAPE", `Tensor "${label}" holds ${length} elements, the data has ${data.length}.`, {
      expected: length,
      got: data.length,
    });
  }
}

/** The error of reading a tensor as the wrong type. */
export function wrongType(tensor: Tensor, expected: ScalarType): DifftuneError {
  return new DifftuneError("SHAPE", `Tensor "${tensor.label}" holds ${tensor.dtype}, not ${expected}.`, {
    hint: "Use read for f32, readU32 for u32.",
    expected,
    got: tensor.dtype,
  });
}
