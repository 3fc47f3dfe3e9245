/** Python in Pyodide, in node: the project's own tests, and what passes between Python and JavaScript. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import path from "node:path";
import { loadPyodide } from "pyodide";
import { serve } from "../../examples/server.mjs";
import { testFiles, wheelNames, WHEELS } from "./prepare.mjs";
import { judge, PYODIDE } from "./python.mjs";
import { runTests } from "./session.mjs";

/** @type {string[]} */
let names;
/** @type {Awaited<ReturnType<typeof serve>>} */
let server;
/** @type {any} */
let pyodide;

before(async () => {
  names = wheelNames();
  server = await serve({ "/": WHEELS });
  pyodide = await loadPyodide({ indexURL: path.join(PYODIDE, "/") });
});
after(() => server?.close());

test("the Python tests that need no processes, files or NumPy", async () => {
  judge("node", await runTests(pyodide, { wheels: server.url, names, files: testFiles(), args: ["-q", "--tb=short"] }));
});

test("a region of JavaScript's is Python's, too, and its events arrive there", async () => {
  const { open, BurstEngineState } = await import("corestate");
  const state = await open({ name: "brain", shared: true });
  const subscription = state.events.subscribe({ kinds: ["burst"] });
  pyodide.globals.set("handle", state.handle);
  pyodide.runPython(`
import corestate
state = corestate.attach(handle)
state.engine.burst_state = corestate.BurstEngineState.RUNNING
state.engine.neuron_count = 86_000_000_000
state.counters["spikes"].add(2**60)
state.areas["v1"].fcl_window = 7
agent = state.agents.register("python", corestate.AgentType.INFRASTRUCTURE, capabilities={"fps": 30})
state.events.publish("burst", {"n": 1, "big": 2**60})
`);
  assert.equal(state.engine.burstState, BurstEngineState.RUNNING);
  assert.equal(state.engine.neuronCount, 86e9);
  assert.equal(state.counters.get("spikes").value, 2n ** 60n);
  assert.equal(state.areas.get("v1").fclWindow, 7);
  assert.deepEqual(state.agents.get("python")?.capabilities, { fps: 30 });
  assert.deepEqual((await subscription.get({ timeout: 120000 }))?.data, { n: 1, big: 2n ** 60n });
  assert.equal(state.participants().length, 2);
  state.engine.neuronCount = 5;
  assert.equal(pyodide.runPython("state.engine.neuron_count"), 5);
  pyodide.runPython("state.close(); del state, agent");
  assert.equal(state.participants().length, 1);
  state.close();
});

test("a region of Python's is JavaScript's, too", async () => {
  const { attach } = await import("corestate");
  const handle = pyodide.runPython(`
state = corestate.open("heap:")
state.counters["ticks"].add(41)
state.region.memory.handle
`);
  const state = await attach(handle);
  assert.equal(state.counters.get("ticks").add(1), 42n);
  assert.equal(pyodide.runPython(`state.counters["ticks"].value`), 42);
  state.close();
  pyodide.runPython("state.close(); del state");
});

test("a handle for reading is for reading in Python, too", async () => {
  const { attach, open } = await import("corestate");
  const state = await open({ shared: true });
  state.engine.neuronCount = 7;
  const reader = await attach(state.handle, { mode: "r" });
  pyodide.globals.set("handle", reader.handle);
  const found = pyodide.runPython(`
try:
    corestate.attach(handle)
    outcome = "attached"
except corestate.ReadOnlyError as problem:
    outcome = str(problem)
with corestate.attach(handle, mode="r") as state:
    neurons = state.engine.neuron_count
[outcome, neurons]
`).toJs();
  assert.match(found[0], /^attach: expected a region that may be written, found a handle for reading, .*attach with mode="r"/);
  assert.equal(found[1], 7);
  reader.close();
  state.close();
});

test("what is no handle of ours is refused as on the host", async () => {
  const { open } = await import("corestate");
  const state = await open({ shared: true });
  const { memory, base } = state.handle;
  pyodide.globals.set("handles", pyodide.toPy([]));
  pyodide.globals.set("elsewhere", { memory, base: base + 64 });
  pyodide.globals.set("foreign", { memory: new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true }), base: 0 });
  pyodide.globals.set("private", { memory: new WebAssembly.Memory({ initial: 16 }), base: 0 });
  const found = pyodide.runPython(`
def refused(handle):
    try:
        corestate.attach(handle)
    except corestate.CorestateError as problem:
        return f"{type(problem).__name__}: {problem}"
    return "attached"
[refused(elsewhere), refused(foreign), refused(private), refused("brain.state")]
`).toJs();
  assert.match(found[0], /^NotRegionError: /);
  assert.match(found[1], /^NotRegionError: attach: expected a memory made by corestate, found another program's/);
  assert.match(found[2], /^UnsupportedError: attach: expected memory that can be shared .* Cross-Origin-Opener-Policy/);
  assert.match(found[3], /^UnsupportedError: region brain.state: .* files cannot be mapped here/);
  state.close();
});

test("doctor says what this place lets it do", () => {
  const found = pyodide.runPython(`
from click.testing import CliRunner
from corestate.cli.doctor import doctor
import json
[(f["what"], f["result"]) for f in json.loads(CliRunner().invoke(doctor, ["--json"]).output)]
`).toJs();
  const results = new Map(found);
  assert.equal(results.get("region in private memory"), "ok");
  assert.equal(results.get("memory shared between workers"), "ok");
  assert.equal(results.get("waiting"), "ok");
});
