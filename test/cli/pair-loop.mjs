/**
 * Labels pairs as fast as it can, every fourth answer an undo, and says after each that it is on the disk. The test of pair files
 * kills it. Words: module of the pair files, folder.
 */
const [, , pairFiles, folder] = process.argv;
const { PairFiles } = await import(pairFiles);

const files = await PairFiles.open(folder, { features: ["x"], states: ["x", "y"] });
process.stdout.write("open\n");
for (let answer = 0; ; answer++) {
  if (answer % 4 === 3) {
    const { id } = await files.undo();
    process.stdout.write(`-${id}\n`);
    continue;
  }
  const id = files.nextId;
  await files.append({
    horizon: 200, label: id % 2, annotator: "loop", round: 0, timestampMs: 0, source: { episode0: id, step0: 0, episode1: id, step1: 300 },
    features0: new Float32Array(200).fill(id), features1: new Float32Array(200), states0: new Float32Array(400), states1: new Float32Array(400),
  });
  process.stdout.write(`${id}\n`);
}
