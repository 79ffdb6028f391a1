/**
 * Event files of TensorBoard, as far as scalars need them. A file is a row of TFRecords:
 *
 *     u64 length | u32 masked crc of the 8 length bytes | bytes | u32 masked crc of the bytes        little-endian
 *
 * and each holds one protocol-buffer message `Event { 1: double wall_time; 2: int64 step; 3: string file_version;
 * 5: Summary { 1: repeated Value { 1: string tag; 2: float simple_value } }; 7: SessionLog { 1: enum status } }`.
 */

/** CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, one byte a step. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

/** A crc of data that itself holds crcs is weak; the format therefore turns it by 15 bits and adds a constant. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function frame(message: readonly number[]): Uint8Array {
  const record = new Uint8Array(message.length + 16);
  const view = new DataView(record.buffer);
  view.setUint32(0, message.length, true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(message, 12);
  view.setUint32(12 + message.length, maskedCrc(record.subarray(12, 12 + message.length)), true);
  return record;
}

/** A whole number below 2^53, seven bits a byte, lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

function lengthField(number: number, bytes: readonly number[]): number[] {
  return [(number << 3) | 2, ...varint(bytes.length), ...bytes];
}

function textField(number: number, text: string): number[] {
  return lengthField(number, [...new TextEncoder().encode(text)]);
}

function doubleField(number: number, value: number): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return [(number << 3) | 1, ...bytes];
}

function floatField(number: number, value: number): number[] {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [(number << 3) | 5, ...bytes];
}

function integerField(number: number, value: number): number[] {
  return [number << 3, ...varint(value)];
}

/**
 * What every event file starts with. Whatever older files of the same folder say about `firstStep` and later steps, viewers forget
 * from here on, so that a resumed run draws one curve.
 *
 * @param wallSeconds the time now, seconds since 1970
 */
export function startEventFile(wallSeconds: number, firstStep = 0): Uint8Array {
  const version = frame([...doubleField(1, wallSeconds), ...textField(3, "brain.Event:2")]);
  const start = frame([...doubleField(1, wallSeconds), ...integerField(2, firstStep), ...lengthField(7, integerField(1, 1))]);
  const bytes = new Uint8Array(version.length + start.length);
  bytes.set(version);
  bytes.set(start, version.length);
  return bytes;
}

/** One step's scalars by their tags, ready to be appended. */
export function encodeScalars(wallSeconds: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array {
  const summary = Object.entries(scalars).flatMap(([tag, value]) => lengthField(1, [...textField(1, tag), ...floatField(2, value)]));
  return frame([...doubleField(1, wallSeconds), ...integerField(2, step), ...lengthField(5, summary)]);
}
