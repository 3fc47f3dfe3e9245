/** What `npm pack` would publish: what is needed and nothing else, and it works where it is installed. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { WASM } from "../../tools/compiler.mjs";

/** "A few tens of kilobytes": the core, as it travels compressed and as it is. */
const MOST_WASM = 80_000;

/** @type {string} */
let directory;
before(() => {
  directory = mkdtempSync(path.join(tmpdir(), "corestate-package-"));
});
after(() => rmSync(directory, { recursive: true }));

/** @param {string} command @param {string[]} args @param {string} cwd */
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

test("npm pack: its contents", () => {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", directory], WASM));
  /** @type {string[]} */
  const names = packed.files.map((/** @type {{path: string}} */ file) => file.path).sort();
  const types = names.filter((name) => name.startsWith("dist/types/"));
  assert.deepEqual(names.filter((name) => !types.includes(name)), [
    "LICENSE", "README.md", "dist/corestate-threads.wasm", "dist/corestate.wasm", "dist/embedded.js", "dist/index.js", "dist/saver.js", "package.json",
  ]); // prettier-ignore
  assert.ok(types.every((name) => name.endsWith(".d.ts")), types.join("\n"));
  for (const file of packed.files) {
    assert.equal(file.mode & 0o111, 0, `${file.path} is executable`);
    if (file.path.endsWith(".wasm")) assert.ok(file.size <= MOST_WASM, `${file.path} has ${file.size} bytes`);
  }
});

test("installed from the package it works, with its types, and depends on nothing", () => {
  const project = mkdtempSync(path.join(directory, "project-"));
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
  const [tarball] = run("ls", [directory], directory).split("\n").filter((name) => name.endsWith(".tgz"));
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", path.join(directory, tarball)], project);
  const installed = JSON.parse(readFileSync(path.join(project, "node_modules/corestate/package.json"), "utf8"));
  assert.equal(installed.dependencies, undefined);
  writeFileSync(
    path.join(project, "user.ts"),
    `import { open, mirror, AgentType, type Mirror, type State, type Health, CorestateError } from "corestate";
const state: State = await open({ name: "t", config: { agents: 4 } });
const neurons: number = (state.engine.neuronCount = 5);
const spikes: bigint = state.counters.get("spikes").add(2);
const health: Health = state.health();
state.agents.register("eye", AgentType.SENSORY, { capabilities: { fps: 30 } });
for await (const event of state.events.subscribe({ since: 0 })) {
  const sequence: number = event.sequence;
  console.log(neurons, spikes, health.verdict, sequence, event.kind, state.shared, new CorestateError("x") instanceof Error);
  break;
}
const far: Mirror = await mirror(null, { silence: 500 });
const lost: bigint = far.report().lost;
far.close();
state.close();
console.log(lost);
`,
  );
  const tsc = path.join(WASM, "node_modules/typescript/bin/tsc");
  const options = ["--module", "nodenext", "--target", "es2022", "--lib", "es2024,dom,esnext.disposable", "--strict", "--types", "", "user.ts"];
  run(process.execPath, [tsc, ...options], project);
  assert.equal(run(process.execPath, ["user.js"], project), "5 2n 0 1 agent_registered true true\n0n\n");
});
