import { activation, activationBackward } from "../../../src/kernels/nn/activation.ts";
import { timestepEmbedding, timestepFrequencies } from "../../../src/kernels/nn/timestep-embedding.ts";
import { activationNames } from "../networks.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

/** `activations_posemb`: `<activation>.y`, `<activation>.dy` at `in.x`; `posemb<dim>.out` at `posemb.in.t`. */
export const readActivations: Reader = async (golden, device, comparison) => {
  const x = golden.values("in.x");
  const t = golden.values("posemb.in.t");
  for (const name of golden.groups()) {
    const kind = activationNames[name];
    const size = /^posemb(\d+)$/.exec(name)?.[1];
    if (kind !== undefined) {
      await Session.with(device, async (session) => {
        const input = session.floats(x);
        const ones = session.floats(x.map(() => 1));
        const [y, dx] = [session.zeros(x.length), session.zeros(x.length)];
        const shape = { rows: 1, columns: x.length, kind };
        await session.run((program) => {
          activation(program, { x: input, y }, shape);
          activationBackward(program, { x: input, dy: ones, dx }, shape);
        });
        comparison.add("activation", await session.read(y), golden.values(`${name}.y`), tolerances.dppo.forward, name);
        comparison.add("slope", await session.read(dx), golden.values(`${name}.dy`), tolerances.dppo.forward, name);
      });
    } else if (size !== undefined) {
      await Session.with(device, async (session) => {
        const got = await embedTimes(session, t, Number(size));
        comparison.add("time features", got, golden.values(`${name}.out`), tolerances.dppo.forward, name);
      });
    } else if (name !== "in" && name !== "posemb") {
      comparison.unread(name, "the package has no such function");
    }
  }
};

/** The time features of t as an engine computes them. */
export async function embedTimes(session: Session, t: Float64Array, dim: number): Promise<Float32Array> {
  const out = session.zeros(t.length * dim, "time features");
  const times = session.words(t, "times");
  const frequencies = session.words(timestepFrequencies(dim), "frequencies");
  await session.run((program) => {
    timestepEmbedding(program, { t: times, frequencies, out }, { rows: t.length, dim });
  });
  return session.read(out);
}
