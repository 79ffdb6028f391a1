import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { PushtBatch } from "../golden-runner/pusht-batch.ts";

const pose = [222, 97, 240, 300, 2.2] as const;
const target = [137.7, 388.2] as const;

/**
 * SHA-256 of RGB pictures of `pose` with the cross at `target`, made from the 512 x 512 canvas (which equals the public images, see the
 * golden folder) by OpenCV 4.6: resize(canvas, (S, S)), then drawMarker(MARKER_CROSS, trunc(8 S / 96), trunc(S / 96)).
 */
const pictures = [
  { side: 96, digest: "c592b9ca5227aa99a7b97eae42b8902ae84cfbf6d2baca9b8032de67f4bc0c04" },
  { side: 680, digest: "f1b6a1b438cd9900b321b525b97e77d743b9d300afc01ecc15f31d03fead58be" },
  { side: 1024, digest: "17a61a8c6ca2260bb5bf856cc3618dcfaa31fd1724e0519a017331122aeea5e2" },
] as const;

describe("pictures of push-t", () => {
  const batch = new PushtBatch({ count: 1 });
  const canvas = batch.memory.allocate(batch.constant("PUSHT_CANVAS_BYTES"));

  test.each(pictures)("the view of $side x $side with its target equals the reference library's in every byte", ({ side, digest }) => {
    const out = batch.memory.allocate(side * side * 3);
    batch.call("pusht_draw_pose", ...pose, 0, 0, canvas);
    batch.call("pusht_scale", canvas, side, 3, out);
    batch.call("pusht_mark_target", ...target, side, 3, out);
    expect(createHash("sha256").update(batch.memory.u8(out, side * side * 3)).digest("hex")).toBe(digest);
  });

  test("four channels are the same colours with full opacity", () => {
    const [three, four] = [batch.memory.allocate(96 * 96 * 3), batch.memory.allocate(96 * 96 * 4)];
    batch.call("pusht_draw_pose", ...pose, 0, 0, canvas);
    batch.call("pusht_scale", canvas, 96, 3, three);
    batch.call("pusht_scale", canvas, 96, 4, four);
    const [rgb, rgba] = [batch.memory.u8(three, 96 * 96 * 3), batch.memory.u8(four, 96 * 96 * 4)];
    for (let pixel = 0; pixel < 96 * 96; pixel++) {
      expect([...rgba.subarray(4 * pixel, 4 * pixel + 4)]).toEqual([...rgb.subarray(3 * pixel, 3 * pixel + 3), 255]);
    }
  });

  test("an environment draws as its pose does, and shapes beyond the canvas are clipped", () => {
    batch.reset();
    const out = batch.memory.allocate(18 * 8);
    batch.call("pusht_read_state", batch.pointer, 0, out);
    const [agentX, agentY, , , blockX, blockY, angle] = [...batch.memory.f64(out, 18)] as [number, number, number, number, number, number, number];
    const other = batch.memory.allocate(batch.constant("PUSHT_CANVAS_BYTES"));
    batch.call("pusht_draw", batch.pointer, 0, canvas);
    batch.call("pusht_draw_pose", agentX, agentY, blockX, blockY, angle, 0, 0, other);
    const bytes = batch.constant("PUSHT_CANVAS_BYTES");
    expect(Buffer.compare(batch.memory.u8(canvas, bytes), batch.memory.u8(other, bytes))).toBe(0);

    // The block after the canvas in memory must not be drawn on.
    const guard = batch.memory.allocate(4096);
    batch.memory.u8(guard, 4096).fill(7);
    for (const [x, y] of [[-40, -40], [560, 560], [256, 600], [-3000, 256]] as const) {
      batch.call("pusht_draw_pose", x, y, x, y, 1, 0, 0, canvas);
      batch.call("pusht_draw_pose", x, y, x, y, 1, 0, 0, other);
    }
    expect(batch.memory.u8(guard, 4096).every((value) => value === 7)).toBe(true);
  });
});
