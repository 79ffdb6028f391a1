/** Numeric flags of WebGPU. The globals that carry them do not exist in Node, so they stand here. */
export const bufferUsage = {
  mapRead: 0x0001,
  copySource: 0x0004,
  copyTarget: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
  queryResolve: 0x0200,
} as const;

/** `GPUMapMode` */
export const mapMode = { read: 0x0001 } as const;

/** `GPUShaderStage` */
export const shaderStage = { compute: 0x4 } as const;

/** Workgroups per dimension that every device allows. */
export const maximumWorkgroups = 65_535;
