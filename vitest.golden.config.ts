import { defineConfig, mergeConfig } from "vitest/config";
import base from "./vitest.config.js";

/** `npm run test:golden`: the golden vectors on both engines. They run apart, because they read a folder outside. */
const config = mergeConfig(base, defineConfig({}));
config.test = { ...config.test, include: ["test/golden.test.ts"], exclude: [] };
export default config;
