import { describe, expect, test } from "vitest";
import { deriveSources, parseRelease } from "../../scripts/apt.mjs";
import { isInstalled } from "../../scripts/bootstrap.mjs";
import { countReport } from "../../scripts/test.mjs";
import { advice, describe as describeAdapter, extraSuite } from "../../scripts/webgpu-adapter.mjs";

const release = (name: string, version: string, like = ""): Record<string, string> => ({ ID: name, VERSION_ID: version, ID_LIKE: like });

describe("whether to install", () => {
  const lock = { packages: { "": { version: "1.0.0" }, "node_modules/a": { version: "1.2.3" }, "node_modules/b": { version: "2.0.0", optional: true } } };

  test("everything locked is there: no", () => {
    expect(isInstalled(lock, { packages: { "node_modules/a": { version: "1.2.3" } } })).toBe(true);
  });

  test("nothing is there, or one package in another version: yes", () => {
    expect(isInstalled(lock, { packages: {} })).toBe(false);
    expect(isInstalled(lock, { packages: { "node_modules/a": { version: "1.2.4" } } })).toBe(false);
  });
});

describe("package sources", () => {
  const stanzas = [
    "# the archive\nTypes: deb\nURIs: mirror\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: key",
    "Types: deb\nURIs: security\nSuites: bookworm-security\nComponents: main",
    "Types: deb\nURIs: elsewhere\nSuites: stable\nComponents: main",
    "Types: deb\nURIs: mirror\nSuites: bookworm\nComponents: contrib\nEnabled: no",
  ].join("\n\n");

  test("of stanzas: the suite joins the entry of the release, foreign and disabled entries stay out", () => {
    const { text, isAdded } = deriveSources(stanzas, "sources", "bookworm", "bookworm-backports");
    expect(isAdded).toBe(true);
    expect(text.split("\n\n")).toEqual([
      "# the archive\nTypes: deb\nURIs: mirror\nSuites: bookworm bookworm-updates bookworm-backports\nComponents: main\nSigned-By: key",
      "Types: deb\nURIs: security\nSuites: bookworm-security\nComponents: main",
    ]);
  });

  test("of lines: options are kept, the suite comes once", () => {
    const lines = [
      "# comment",
      "deb [signed-by=key arch=amd64] mirror bookworm main contrib",
      "deb mirror bookworm non-free",
      "deb-src mirror bookworm main",
      "deb mirror bookworm-updates main",
      "deb elsewhere any main",
    ].join("\n");
    expect(deriveSources(lines, "list", "bookworm", "bookworm-backports")).toEqual({
      isAdded: true,
      text: [
        "deb [signed-by=key arch=amd64] mirror bookworm main contrib",
        "deb [signed-by=key arch=amd64] mirror bookworm-backports main contrib",
        "deb mirror bookworm non-free",
        "deb mirror bookworm-updates main",
      ].join("\n"),
    });
  });

  test("without a suite to add they are the system's own", () => {
    expect(deriveSources("deb mirror noble main", "list", "noble", "")).toEqual({ isAdded: true, text: "deb mirror noble main" });
  });

  test("of another release give nothing, and say so", () => {
    expect(deriveSources(stanzas, "sources", "noble", "noble-backports")).toEqual({ isAdded: false, text: "" });
  });
});

describe("software Vulkan", () => {
  test("comes from where the release has a Mesa that Dawn accepts", () => {
    expect(extraSuite(release("debian", "12"))).toBe("bookworm-backports");
    expect(extraSuite(release("debian", "13"))).toBe("");
    expect(extraSuite(release("ubuntu", "24.04"))).toBe("");
    expect(extraSuite(release("linuxmint", "22", "ubuntu debian"))).toBe("");
    expect(extraSuite(release("ubuntu", "22.04"))).toBeUndefined();
    expect(extraSuite(release("debian", "11"))).toBeUndefined();
    expect(extraSuite(release("fedora", "42"))).toBeUndefined();
  });

  test("where it cannot be installed, the message names the command", () => {
    expect(advice(release("ubuntu", "24.04"))).toContain("apt-get install -y mesa-vulkan-drivers libvulkan1");
    expect(advice(release("debian", "12"))).toContain("-t bookworm-backports mesa-vulkan-drivers");
    expect(advice(release("fedora", "42"))).toContain("Mesa 23 or newer");
  });

  test("is described with the variables that it needs", () => {
    const adapter = { description: "llvmpipe", device: "", vendor: "mesa", isFallbackAdapter: true };
    expect(describeAdapter({ adapter, variables: { VK_DRIVER_FILES: "lvp.json" } })).toBe("llvmpipe (software, mesa) with VK_DRIVER_FILES=lvp.json");
  });

  test("release files are read with and without quotes", () => {
    expect(parseRelease('ID=debian\nVERSION_ID="12"\n# comment\nNAME=\'Debian GNU/Linux\'')).toEqual({ ID: "debian", VERSION_ID: "12", NAME: "Debian GNU/Linux" });
  });
});

test("a test file that fails outside of its tests counts as one failure", () => {
  const report = {
    numPassedTests: 5,
    numFailedTests: 1,
    numPendingTests: 2,
    numTodoTests: 1,
    testResults: [
      { status: "passed", assertionResults: [{ status: "passed" }] },
      { status: "failed", assertionResults: [{ status: "passed" }, { status: "failed" }] },
      { status: "failed", assertionResults: [] },
      { status: "failed", assertionResults: [{ status: "skipped" }] },
    ],
  };
  expect(countReport(report)).toEqual({ passed: 5, failed: 3, skipped: 3 });
});
