#!/usr/bin/env node
/**
 * `npm test`: installs, builds, makes a WebGPU adapter available, then runs every check on both engines and prints the
 * counts.
 *
 *   npm test                        everything
 *   npm test -- golden              one check: types, lint, unit or golden
 *   npm test -- unit test/engine    further words filter the test files of that check
 *
 *   DIFFTUNE_SKIP_WEBGPU=1          test the WASM engine alone, on a machine that cannot have an adapter
 *   DIFFTUNE_GOLDEN=<folder>        where the golden vectors are, default test/golden
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuilt, ensureInstalled, runCommand, say } from "./bootstrap.mjs";
import { provideChromium } from "./chromium.mjs";
import { describe, provideAdapter } from "./webgpu-adapter.mjs";

const vitest = "node_modules/vitest/vitest.mjs";

/** Each check by name: a command that passes or fails as one, or a vitest run whose tests are counted. */
const checks = {
  types: { args: ["node_modules/typescript/bin/tsc", "-p", "tsconfig.test.json"] },
  lint: { args: ["node_modules/eslint/bin/eslint.js", "--max-warnings", "0", "."] },
  unit: { args: [vitest, "run"], counts: true },
  golden: { args: [vitest, "run", "--config", "vitest.golden.config.ts"], counts: true },
};

/** Counts of a vitest report: a file that failed outside of its tests (an import, a hook) is one more failure. */
export function countReport(report) {
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

async function runCheck(name, filters, folder, variables) {
  const { args, counts } = checks[name];
  const started = performance.now();
  const report = path.join(folder, `${name}.json`);
  const reporting = counts ? ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`] : [];
  const status = await runCommand(process.execPath, [...args, ...reporting, ...filters], { variables });
  const result = { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  if (counts) {
    const text = await readFile(report, "utf8").catch(() => undefined);
    if (text !== undefined) Object.assign(result, countReport(JSON.parse(text)));
    // An error outside of any test, or no test at all, still fails the run.
    if (status !== 0 && result.failed === 0) result.failed = 1;
  }
  return { name, ...result, seconds: (performance.now() - started) / 1000 };
}

async function adapterVariables() {
  if (process.env.DIFFTUNE_SKIP_WEBGPU === "1") {
    say("WebGPU: left out, because DIFFTUNE_SKIP_WEBGPU=1. Only the WASM engine is tested.");
    return {};
  }
  const provided = await provideAdapter({ log: say });
  if (provided.adapter === undefined) {
    throw new Error(
      `The WebGPU engine cannot be tested here: ${provided.reason}.\n${provided.advice}\nOr set DIFFTUNE_SKIP_WEBGPU=1 to test the WASM engine alone.`,
    );
  }
  say(`WebGPU: ${describe(provided)}`);
  return provided.variables;
}

/** Chromium is no engine: without it its tests are skipped, counted and say why. */
async function announceChromium() {
  const { file, reason } = await provideChromium({ log: say });
  say(file === undefined ? `Chromium: ${reason}. The browser tests are skipped.` : `Chromium: ${file}`);
}

async function main([first, ...filters]) {
  if (first !== undefined && !(first in checks)) {
    throw new Error(`There is no check "${first}"; the checks are ${Object.keys(checks).join(", ")}.`);
  }
  await ensureInstalled();
  await ensureBuilt();
  const variables = await adapterVariables();
  if (first === undefined || first === "unit") await announceChromium();
  const folder = await mkdtemp(path.join(os.tmpdir(), "difftune-test-"));
  const results = [];
  try {
    for (const name of first === undefined ? Object.keys(checks) : [first]) {
      say(`\n— ${name}`);
      results.push(await runCheck(name, filters, folder, variables));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const total = (field) => results.reduce((sum, result) => sum + result[field], 0);
  for (const { name, passed, failed, skipped, seconds } of results) {
    process.stdout.write(`${name.padEnd(8)} ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds.toFixed(1)} s\n`);
  }
  process.stdout.write(`${total("passed")} passed, ${total("failed")} failed, ${total("skipped")} skipped\n`);
  return total("failed") === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    say(`test: ${error.message}`);
    process.stdout.write("0 passed, 1 failed, 0 skipped\n");
    process.exitCode = 1;
  }
}
