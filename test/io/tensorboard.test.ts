import { describe, expect, test } from "vitest";
import { encodeScalars, maskedCrc, startEventFile } from "../../src/io/tensorboard.js";

interface ScalarEvent {
  readonly wallSeconds?: number;
  readonly step?: number;
  readonly version?: string;
  readonly status?: number;
  readonly scalars: Readonly<Record<string, number>>;
}

/** The fields of a protocol-buffer message, by the published wire format: number, and the value as its type stores it. */
function* fields(message: Uint8Array): Generator<readonly [number: number, value: number | Uint8Array]> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  while (at < message.length) {
    const key = varint();
    const [number, type] = [key >> 3, key & 7];
    if (type === 0) yield [number, varint()];
    else if (type === 1) yield [number, view.getFloat64((at += 8) - 8, true)];
    else if (type === 5) yield [number, view.getFloat32((at += 4) - 4, true)];
    else {
      expect(type).toBe(2);
      const length = varint();
      yield [number, message.subarray(at, (at += length))];
    }
  }
}

const text = (bytes: number | Uint8Array): string => new TextDecoder().decode(bytes as Uint8Array);

/** Reads an event file by the format's description, with both sums of every record checked. */
function readEventFile(file: Uint8Array): ScalarEvent[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const events: ScalarEvent[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc(file.subarray(at, at + 8)));
    const message = file.subarray(at + 12, at + 12 + length);
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc(message));
    at += 16 + length;
    const event: Record<string, unknown> = {};
    const scalars: Record<string, number> = {};
    for (const [number, value] of fields(message)) {
      if (number === 1) event.wallSeconds = value;
      if (number === 2) event.step = value;
      if (number === 3) event.version = text(value);
      if (number === 7) event.status = [...fields(value as Uint8Array)][0]![1];
      if (number !== 5) continue;
      for (const [, entry] of fields(value as Uint8Array)) {
        const parts = new Map(fields(entry as Uint8Array));
        scalars[text(parts.get(1)!)] = parts.get(2) as number;
      }
    }
    events.push({ ...event, scalars });
  }
  return events;
}

describe("event files of TensorBoard", () => {
  test("sum their bytes by CRC-32C, masked", () => {
    // Check value of CRC-32C for "123456789": 0xe3069283 (catalogue of parametrised CRC algorithms), then turned by 15 bits plus the constant.
    const crc = 0xe3069283;
    expect(maskedCrc(new TextEncoder().encode("123456789"))).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  });

  test("read back by the format's description: version, start, then every scalar", () => {
    const wide = { success: 0.75, "seconds/denoise": 1.5, größe: -2 };
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`scalar${index}`, index]));
    const file = Buffer.concat([startEventFile(1.7e9, 3), encodeScalars(1.7e9 + 0.25, 3, wide), encodeScalars(1.7e9 + 1, 2 ** 40 + 1, many)]);
    expect(readEventFile(file)).toEqual([
      { wallSeconds: 1.7e9, version: "brain.Event:2", scalars: {} },
      { wallSeconds: 1.7e9, step: 3, status: 1, scalars: {} },
      { wallSeconds: 1.7e9 + 0.25, step: 3, scalars: wide },
      { wallSeconds: 1.7e9 + 1, step: 2 ** 40 + 1, scalars: many },
    ]);
  });
});
