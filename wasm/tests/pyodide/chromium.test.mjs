/** Python in Pyodide, in a worker of Chromium: the project's own tests, and an engine in Python whose state the page reads. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, serveTests, visit } from "../browser/browser.mjs";
import { testFiles, wheelNames } from "./prepare.mjs";
import { judge } from "./python.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serveTests>>} */
let server;
/** @type {string[]} */
let names;

before(async () => {
  names = wheelNames();
  [browser, server] = await Promise.all([launch(), serveTests()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

async function ready() {
  const { page, problems } = await visit(browser, server.url);
  page.setDefaultTimeout(0);
  await page.waitForFunction("window.ready");
  return { page, problems };
}

test("the Python tests that need no processes, files or NumPy", async () => {
  const { page } = await ready();
  const wanted = { wheels: `${server.url}/wheels`, names, files: testFiles(), args: ["-q", "--tb=short"] };
  const found = await page.evaluate(async (/** @type {any} */ given) => {
    const { ask } = await /** @type {any} */ (window).python();
    return ask("tests", given);
  }, wanted);
  judge("chromium", found);
  await page.close();
});

test("an engine in Python in a worker: the page reads it live, hears it, and outlives it", async () => {
  const { page, problems } = await ready();
  const found = await page.evaluate(async (/** @type {any} */ given) => {
    const { corestate, python } = /** @type {any} */ (window);
    const state = await corestate.open({ name: "brain" });
    const { worker, ask, said } = await python();
    await ask("install", given);
    const source = `
import corestate
state = corestate.attach(handle)
state.agents.register("engine", corestate.AgentType.INFRASTRUCTURE)
state.engine.burst_state = corestate.BurstEngineState.RUNNING
lock = state.locks["engine"]
lock.acquire()
say("running")
for burst in range(1_000_000_000):
    state.engine.burst_count = burst
    state.counters["go"].wait(burst)   # asleep until the page says so
    state.events.publish("burst", {"n": burst})
`;
    const begun = said();
    ask("run", { source, handle: state.handle }).catch(() => {});
    await begun;
    const heard = [];
    const subscription = state.events.subscribe({ kinds: "burst" });
    for (let n = 1; n <= 5; n++) {
      state.counters.get("go").set(n);
      heard.push((await subscription.get({ timeout: 120000 }))?.data.n);
    }
    while (state.engine.burstCount !== 5) await new Promise((resolve) => setTimeout(resolve, 5)); // set after the event
    const running = { state: state.engine.burstState, bursts: state.engine.burstCount, locked: state.locks.get("engine").locked };
    worker.terminate();
    await state.locks.get("engine").acquire({ timeout: 120000 });
    return { heard, running, inherited: state.locks.get("engine").inherited, reaped: state.agents.reap() };
  }, { wheels: `${server.url}/wheels`, names });
  assert.deepEqual(found.heard, [0, 1, 2, 3, 4]);
  assert.deepEqual(found.running, { state: 3, bursts: 5, locked: true });
  assert.equal(found.inherited, true);
  assert.equal(found.reaped, 1);
  assert.deepEqual(problems, []);
  await page.close();
});

test("async for over events, in a page's own thread", async () => {
  const { page, problems } = await ready();
  const found = await page.evaluate(async (/** @type {any} */ { wheels, names }) => {
    const { corestate } = /** @type {any} */ (window);
    const { loadPyodide } = await import(/* @vite-ignore */ String("/modules/pyodide/pyodide.mjs"));
    const pyodide = await loadPyodide({ indexURL: "/modules/pyodide/" });
    const find = (/** @type {string} */ start) => `${wheels}/${names.find((/** @type {string} */ name) => name.startsWith(start))}`;
    await pyodide.loadPackage(["micropip-", "packaging-"].map(find));
    pyodide.globals.set("urls", pyodide.toPy(["click-", "msgpack-", "corestate-", "rich-", "pygments-", "markdown_it", "mdurl-"].map(find)));
    const state = await corestate.open({});
    pyodide.globals.set("handle", state.handle);
    await pyodide.runPythonAsync(`
import micropip
await micropip.install(urls, deps=False)
import corestate
state = corestate.attach(handle)
`);
    const taking = pyodide.runPythonAsync(`
found = []
with state.events.subscribe(["mark"]) as subscription:
    state.events.publish("mark", "first")
    async for event in subscription:
        found.append(event.data)
        if len(found) == 3:
            break
found
`);
    const subscription = state.events.subscribe({ kinds: "mark", since: 0 });
    await subscription.get(); // Python is at it
    state.events.publish("mark", 2);
    state.events.publish("mark", [3]);
    const found = (await taking).toJs();
    const waited = await pyodide.runPythonAsync(`
state.counters["c"].set(1)
value = state.counters["c"].wait(0)
try:
    state.counters["c"].wait(1, timeout=0.05)
    outcome = "no timeout"
except corestate.WaitTimeoutError:
    outcome = "timeout"
[value, outcome]
`);
    return { found, waited: waited.toJs() };
  }, { wheels: `${server.url}/wheels`, names });
  assert.deepEqual(found, { found: ["first", 2, [3]], waited: [1, "timeout"] });
  assert.deepEqual(problems, []);
  await page.close();
});

test("without isolation regions are private, and the error and doctor say what to serve", async () => {
  const plain = await serveTests({});
  try {
    const { page } = await visit(browser, plain.url);
    page.setDefaultTimeout(0);
    await page.waitForFunction("window.ready");
    const found = await page.evaluate(async (/** @type {any} */ given) => {
      const { corestate, python } = /** @type {any} */ (window);
      const state = await corestate.open({});
      state.counters.get("c").add(1);
      const { ask } = await python();
      await ask("install", given);
      const source = `
import json
import corestate
from click.testing import CliRunner
from corestate.cli.doctor import doctor
state = corestate.open("heap:")
state.counters["c"].add(2)
try:
    state.region.memory.handle
    problem = ""
except corestate.UnsupportedError as error:
    problem = str(error)
shared = next(f for f in json.loads(CliRunner().invoke(doctor, ["--json"]).output) if "shared" in f["what"])
{"value": state.counters["c"].value, "problem": problem, "result": shared["result"], "detail": shared["detail"]}
`;
      const inPython = await ask("run", { source });
      let message = "";
      try {
        await corestate.open({ shared: true });
      } catch (problem) {
        message = `${/** @type {any} */ (problem).name}: ${/** @type {any} */ (problem).message}`;
      }
      return { shared: state.shared, inPython, message };
    }, { wheels: `${plain.url}/wheels`, names });
    assert.equal(found.shared, false);
    assert.match(found.message, /^NotSharedError: .*crossOriginIsolated = false.*Cross-Origin-Embedder-Policy: require-corp/);
    assert.equal(found.inPython.value, 2);
    assert.match(found.inPython.problem, /Cross-Origin-Opener-Policy: same-origin/);
    assert.equal(found.inPython.result, "limited");
    assert.match(found.inPython.detail, /private to this worker; serve the page/);
    await page.close();
  } finally {
    await plain.close();
  }
});
