/** difftune: fine-tune robot diffusion policies. The public names, and nothing else. */
export { DifftuneError, errorCodes, type ErrorCode, type ErrorFacts } from "./core/errors.js";
export { LinearMemory, type LinearMemoryOptions } from "./core/linear-memory.js";
export { Dataset, DatasetBuilder, sourceOf, type CollectProgress, type DatasetSource } from "./data/dataset.js";
export { createDevice, enableRelaxedSimd, type DeviceOptions } from "./engine/create-device.js";
export type { Device, DeviceInfo, DeviceLoss, DeviceUse, EngineName, TensorData, TensorOptions } from "./engine/device.js";
export type { Launch, Program, ProgramRecorder } from "./engine/program.js";
export type { Tensor } from "./engine/tensor.js";
export type { WasmDevice, WasmDeviceOptions } from "./engine/wasm/wasm-device.js";
export type { WebGpuDevice, WebGpuDeviceOptions } from "./engine/webgpu/webgpu-device.js";
export {
  readSafetensors,
  storeDoubles,
  storeFloats,
  readDoubles,
  readFloats,
  writeSafetensors,
  type Dtype,
  type Safetensors,
  type StoredTensor,
} from "./io/safetensors.js";
export { loadStateDict, saveStateDict, type LoadOptions, type ParameterShape } from "./io/state-dict.js";
