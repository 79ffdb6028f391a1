import type { Device } from "./device.js";
import type { Program, ProgramRecorder } from "./program.js";
import type { Tensor } from "./tensor.js";

/** Tensors and programs of one owner: they end together. */
export class Holdings {
  readonly #device: Device;
  readonly #tensors: Tensor[] = [];
  readonly #programs: Program[] = [];

  constructor(device: Device) {
    this.#device = device;
  }

  /** Takes a tensor over. */
  keep(tensor: Tensor): Tensor {
    this.#tensors.push(tensor);
    return tensor;
  }

  /** Makes a program. */
  async program(label: string, record: (recorder: ProgramRecorder) => void): Promise<Program> {
    const program = await this.#device.program(label, record);
    this.#programs.push(program);
    return program;
  }

  /** Frees all of it. Twice is once. */
  close(): void {
    for (const program of this.#programs.splice(0)) program.close();
    for (const tensor of this.#tensors.splice(0)) this.#device.free(tensor);
  }
}
