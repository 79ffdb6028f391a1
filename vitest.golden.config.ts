import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** `npm run test:golden`: the golden vectors on both engines. They run apart, because they read a folder outside. */
export default defineConfig({ ...base, test: { ...base.test, include: ["test/golden.test.ts"], exclude: [] } });
