// denoise — mean of one reverse step, DDPM and DDIM in one formula, and its slopes
//
// With a row (a, b, c, d, e, std) of the schedule and the network output `net`:
//   x0   = clamp(a x - b net, +-x0_clip)           or clamp(net, +-x0_clip) where the network predicts x0
//   eps  = net where x0 was inside, else (a x - x0) / b; then clamp(eps, +-eps_clip)
//   mean = c x0 + d x + e eps                      (DDPM: e = 0; DDIM: d = 0)
// Inside its clip x0 gives back eps = net, so the re-derivation of DDIM needs no case of its own. A clip passes the
// gradient where the value is inside, bounds included.

struct StepRow { a: f32, b: f32, c: f32, d: f32, e: f32 }

struct StepMean { value: f32, slope_net: f32, slope_x: f32 }

fn step_mean(row: StepRow, x: f32, net: f32, predict_epsilon: u32, x0_clip: f32, eps_clip: f32) -> StepMean {
  let is_epsilon = predict_epsilon != 0u;
  let raw = select(net, row.a * x - row.b * net, is_epsilon);
  let x0 = clamp(raw, -x0_clip, x0_clip);
  let x0_gate = select(0.0, 1.0, abs(raw) <= x0_clip);
  let x0_net = x0_gate * select(1.0, -row.b, is_epsilon);
  let x0_x = select(0.0, x0_gate * row.a, is_epsilon);
  let keeps_net = is_epsilon && x0_gate == 1.0;
  let derived = select((row.a * x - x0) / row.b, net, keeps_net);
  let eps = clamp(derived, -eps_clip, eps_clip);
  let eps_gate = select(0.0, 1.0, abs(derived) <= eps_clip);
  let eps_net = eps_gate * select(-x0_net / row.b, 1.0, keeps_net);
  let eps_x = select(eps_gate * (row.a - x0_x) / row.b, 0.0, keeps_net);
  return StepMean(
    row.c * x0 + row.d * x + row.e * eps,
    row.c * x0_net + row.e * eps_net,
    row.c * x0_x + row.d + row.e * eps_x);
}
