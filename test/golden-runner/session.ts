import type { Device } from "../../src/engine/device.ts";
import type { Program, ProgramRecorder } from "../../src/engine/program.ts";
import type { Tensor } from "../../src/engine/tensor.ts";
import type { ProcessTables } from "../../src/diffusion/process.ts";
import { activation } from "../../src/kernels/nn/activation.ts";
import type { ParameterLayout } from "../../src/nn/parameters.ts";

/** Tensors and programs of one comparison; all of them are gone when it ends. */
export class Session {
  readonly device: Device;
  readonly #tensors: Tensor[] = [];
  readonly #programs: Program[] = [];

  private constructor(device: Device) {
    this.device = device;
  }

  /** Runs a comparison in a session of its own. */
  static async with(device: Device, compare: (session: Session) => Promise<void>): Promise<void> {
    const session = new Session(device);
    try {
      await compare(session);
    } finally {
      for (const program of session.#programs) program.close();
      for (const tensor of session.#tensors) device.free(tensor);
    }
  }

  /** A tensor with the given numbers, rounded to 32 bits. */
  floats(values: ArrayLike<number>, label = "input"): Tensor {
    return this.own(this.device.tensor([values.length], { label, data: values }));
  }

  /** A tensor of whole numbers. */
  words(values: ArrayLike<number>, label = "indices"): Tensor {
    return this.own(this.device.tensor([values.length], { label, dtype: "u32", data: values }));
  }

  /** A tensor of zeros. */
  zeros(length: number, label = "output"): Tensor {
    return this.own(this.device.tensor([length], { label }));
  }

  /** Takes over a tensor that somebody else has made. */
  own(tensor: Tensor): Tensor {
    this.#tensors.push(tensor);
    return tensor;
  }

  /** Takes over the tables of a diffusion process. */
  ownTables(tables: ProcessTables): ProcessTables {
    this.own(tables.schedule);
    this.own(tables.times);
    return tables;
  }

  /** A copy of a temporary that outlives the program. */
  keep(program: ProgramRecorder, temporary: Tensor): Tensor {
    const target = this.zeros(temporary.length, `kept ${temporary.label}`);
    activation(program, { x: temporary, y: target }, { rows: 1, columns: temporary.length, kind: "identity" });
    return target;
  }

  /** Records a program; it runs as often as wanted. */
  async record(record: (program: ProgramRecorder) => void): Promise<Program> {
    const program = await this.device.program("golden", record);
    this.#programs.push(program);
    return program;
  }

  /** Records a program and runs it once; gives what `record` does. */
  async run<T>(record: (program: ProgramRecorder) => T): Promise<T> {
    const results: T[] = [];
    const program = await this.record((recorder) => {
      results.push(record(recorder));
    });
    program.run();
    await this.device.idle();
    return results[0]!;
  }

  write(tensor: Tensor, values: ArrayLike<number>): void {
    this.device.write(tensor, values);
  }

  read(tensor: Tensor): Promise<Float32Array> {
    return this.device.read(tensor);
  }

  /** The parts of a flat tensor, by the names of its layout. */
  async readByName(layout: ParameterLayout, flat: Tensor): Promise<Map<string, Float32Array>> {
    const values = await this.read(flat);
    return new Map(layout.parameters.map(({ name, offset, length }) => [name, values.subarray(offset, offset + length)]));
  }
}
