import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/**
 * Tests run on the TypeScript sources. `#host` is the one conditional import of the package (Node or browser); here it
 * is the Node side. Worker threads crash the WebGPU bindings, so every test file runs in a process of its own.
 */
export default defineConfig({
  resolve: {
    alias: { "#host": fileURLToPath(new URL("src/engine/host/node.ts", import.meta.url)) },
  },
  test: {
    // Its ES module is only named by the field "module", which Vite reads and Node does not.
    server: { deps: { inline: ["wgsl_reflect"] } },
    pool: "forks",
    maxWorkers: 2,
    include: ["test/**/*.test.ts"],
    exclude: ["test/learning/**", "test/golden.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
