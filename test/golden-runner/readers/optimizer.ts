import { adamStateLength, adamw } from "../../../src/kernels/optim/adamw.ts";
import { gradientNorm, gradientNormLength } from "../../../src/kernels/optim/gradient-norm.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { OptimizerArguments } from "../policies.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

/** `optimizer`: `<case>.<f64|f32>.p<k>, g<k>, exp_avg, exp_avg_sq`; `clip<max>.g<i>, out<i>, norm`. */
export const readOptimizer: Reader = async (golden, device, comparison) => {
  const cases = golden.json("cases") as Record<string, OptimizerArguments>;
  const known = (name: string): boolean => name.split(".")[0]! in cases || clipName.test(name);
  for (const name of golden.names().filter((tensor) => !known(tensor))) comparison.unread(name, "it belongs to no case");
  for (const [name, settings] of Object.entries(cases)) {
    for (const precision of ["f64", "f32"].filter((of) => golden.has(`${name}.${of}.p0`))) {
      const group = golden.below(`${name}.${precision}`);
      await Session.with(device, (session) => compareSteps(session, group, settings, comparison, `${name} ${precision}`));
    }
  }
  const limits = new Set(golden.names().flatMap((name) => clipName.exec(name)?.[1] ?? []));
  for (const limit of limits) {
    await Session.with(device, (session) => compareClip(session, golden.below(`clip${limit}`), Number(limit), comparison));
  }
};

/** `clip<max>.<tensor>`; the limit may have a point of its own. */
const clipName = /^clip(\d+(?:\.\d+)?)\.[a-z]\w*$/;

async function compareSteps(
  session: Session,
  golden: GoldenFile,
  settings: OptimizerArguments,
  comparison: GoldenComparison,
  place: string,
): Promise<void> {
  const start = golden.values("p0");
  const parameters = session.floats(start, "parameters");
  const gradient = session.zeros(start.length, "gradient");
  const [m, v] = [session.zeros(start.length, "m"), session.zeros(start.length, "v")];
  const state = session.zeros(adamStateLength, "state");
  const program = await session.record((recorder) => {
    adamw(recorder, { parameters, gradient, m, v, state }, adamOptions(settings));
  });
  const tolerance = tolerances.dppo.optimizer;
  for (let k = 0; golden.has(`g${k}`); k++) {
    session.write(gradient, golden.values(`g${k}`));
    program.run();
    comparison.add("parameters", await session.read(parameters), golden.values(`p${k + 1}`), tolerance, `${place}, step ${k + 1}`);
  }
  comparison.add("first moment", await session.read(m), golden.values("exp_avg"), tolerance, place);
  comparison.add("second moment", await session.read(v), golden.values("exp_avg_sq"), tolerance, place);
}

async function compareClip(
  session: Session,
  golden: GoldenFile,
  maxNorm: number,
  comparison: GoldenComparison,
): Promise<void> {
  const parts = golden.names().flatMap((name) => /^g(\d+)$/.exec(name)?.[1] ?? []);
  const all = parts.flatMap((part) => [...golden.values(`g${part}`)]);
  const gradient = session.floats(all, "gradient");
  const norm = session.zeros(gradientNormLength, "norm");
  await session.run((program) => {
    gradientNorm(program, { gradient, norm }, { maxNorm });
  });
  const [length, factor] = await session.read(norm);
  const place = `at most ${maxNorm}`;
  comparison.add("gradient norm", [length!], golden.values("norm"), tolerances.dppo.optimizer, place);
  const clipped = parts.flatMap((part) => [...golden.values(`out${part}`)]);
  comparison.add("clipped gradient", all.map((g) => g * factor!), clipped, tolerances.dppo.optimizer, place);
}

/** Options of `adamw` from those of the original. */
export function adamOptions(args: OptimizerArguments): Parameters<typeof adamw>[2] {
  return {
    rate: args.lr,
    betas: args.betas,
    epsilon: args.eps,
    weightDecay: args.weight_decay,
    decoupled: args.kind === "AdamW",
  };
}
