import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** `npx vitest run --config vitest.learning.config.ts`: what takes minutes, because something is learned and measured. */
export default defineConfig({
  ...base,
  test: { ...base.test, include: ["test/learning/**/*.test.ts"], exclude: [], testTimeout: 3_600_000 },
});
