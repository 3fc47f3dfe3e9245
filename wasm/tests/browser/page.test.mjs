/** A page and its workers in Chromium: shared state, waiting without blocking, deaths, persistence. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, serveTests, visit } from "./browser.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serveTests>>} */
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), serveTests()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @param {string} name @param {() => Promise<any>} inPage runs there @param {(found: any) => void} [check] */
function inPage(name, inPage, check = () => {}) {
  test(name, async () => {
    const { page, problems } = await visit(browser, server.url);
    await page.waitForFunction("window.ready");
    check(await page.evaluate(inPage));
    assert.deepEqual(problems, []);
    await page.close();
  });
}

inPage(
  "the page is isolated, and regions are shared",
  async () => {
    const { canShare, open } = /** @type {any} */ (window).corestate;
    const state = await open({ name: "brain" });
    state.engine.neuronCount = 86e9;
    return { isolated: crossOriginIsolated, can: canShare(), shared: state.shared, neurons: state.engine.neuronCount };
  },
  (found) => assert.deepEqual(found, { isolated: true, can: true, shared: true, neurons: 86e9 }),
);

inPage(
  "several workers add to one counter exactly, and the page hears their events",
  async () => {
    const { corestate, worker } = /** @type {any} */ (window);
    const state = await corestate.open({ config: { events: 8192 } });
    const subscription = state.events.subscribe({ kinds: "mark" });
    const adders = [1, 2, 3].map(() => worker("add", state.handle, { rounds: 10000 }));
    const producer = worker("publish", state.handle, { rounds: 3000 });
    await Promise.all([...adders, producer].map((one) => one.next()));
    let taken = 0;
    for await (const event of subscription) {
      if (event.data.i !== taken) return `event ${event.data.i} instead of ${taken}`;
      if (++taken === 3000) break;
    }
    return { sum: state.counters.get("shared").number, taken, lost: subscription.lost };
  },
  (found) => assert.deepEqual(found, { sum: 30000, taken: 3000, lost: 0 }),
);

inPage(
  "p3: a terminated worker's lock is inherited by the page, and by a worker asleep; its agent is reaped",
  async () => {
    const { corestate, worker } = /** @type {any} */ (window);
    const state = await corestate.open({});
    const doomed = worker("hold", state.handle);
    await doomed.next();
    const lock = state.locks.get("guard");
    const before = lock.tryAcquire();
    doomed.terminate();
    await lock.acquire({ timeout: 120000 });
    const page = lock.inherited;
    lock.release();
    const reaped = state.agents.reap();

    const second = worker("hold", state.handle);
    await second.next();
    const heir = worker("inherit", state.handle);
    await heir.next();
    second.terminate();
    const sleeper = await heir.next();
    return { before, page, reaped, sleeper };
  },
  (found) => assert.deepEqual(found, { before: false, page: true, reaped: 1, sleeper: { inherited: true } }),
);

inPage(
  "the page may not sleep: blocking calls say so, awaited ones time out",
  async () => {
    const { corestate } = /** @type {any} */ (window);
    const state = await corestate.open({});
    const counter = state.counters.get("still");
    const problems = [];
    try {
      counter.waitSync(0, { timeout: 10 });
    } catch (problem) {
      problems.push(/** @type {any} */ (problem).message);
    }
    try {
      await counter.wait(0, { timeout: 60 });
    } catch (problem) {
      problems.push(/** @type {any} */ (problem).name);
    }
    const subscription = state.events.subscribe();
    return [...problems, await subscription.get({ timeout: 30 })];
  },
  ([blocked, timeout, nothing]) => {
    assert.match(blocked, /expected a thread that may sleep, found a page's own thread; await it, or do it in a worker/);
    assert.equal(timeout, "WaitTimeoutError");
    assert.equal(nothing, null);
  },
);

inPage(
  "workers come and go: their seats are given back",
  async () => {
    const { corestate, worker } = /** @type {any} */ (window);
    const state = await corestate.open({});
    const leave = async () => {
      const one = worker("leave", state.handle);
      await one.next();
      one.terminate();
    };
    await leave();
    const before = state.handle.memory.buffer.byteLength;
    for (let i = 0; i < 10; i++) await leave();
    return { grown: state.handle.memory.buffer.byteLength - before, participants: state.participants().length };
  },
  (found) => assert.deepEqual(found, { grown: 0, participants: 1 }),
);

test("p7: what was saved survives a reload, and its bytes are a snapshot", async () => {
  const { page, problems } = await visit(browser, server.url);
  await page.waitForFunction("window.ready");
  await page.evaluate(async () => {
    const { open, AgentType } = /** @type {any} */ (window).corestate;
    const state = await open({ name: "kept" });
    state.engine.neuronCount = 42;
    state.counters.get("spikes").set(2n ** 63n);
    state.agents.register("eye", AgentType.SENSORY, { capabilities: { fps: 30 } });
    await state.save();
  });
  await page.reload();
  await page.waitForFunction("window.ready");
  const found = await page.evaluate(async () => {
    const { forget, load, saved } = /** @type {any} */ (window).corestate;
    const names = await saved();
    const state = await load("kept");
    const spikes = String(state.counters.get("spikes").value);
    const agent = state.agents.get("eye").capabilities;
    await forget("kept");
    return { names, neurons: state.engine.neuronCount, spikes, agent, after: await load("kept") };
  });
  assert.deepEqual(found, { names: ["kept"], neurons: 42, spikes: String(2n ** 63n), agent: { fps: 30 }, after: null });
  assert.deepEqual(problems, []);
  await page.close();
});

inPage(
  "autosave saves what has changed, from a worker, and not what has not",
  async () => {
    const { corestate } = /** @type {any} */ (window);
    const state = await corestate.open({ name: "auto" });
    state.engine.neuronCount = 1;
    const autosave = state.autosave({ every: 20 });
    const until = async (/** @type {() => boolean} */ done) => {
      while (!done()) await new Promise((resolve) => requestAnimationFrame(resolve));
    };
    await until(() => autosave.saves === 1);
    state.engine.neuronCount = 2;
    await until(() => autosave.saves === 2);
    await new Promise((resolve) => setTimeout(resolve, 200)); // ten turns in which nothing changes
    const saves = autosave.saves;
    state.engine.neuronCount = 3;
    await autosave.now();
    await autosave.stop();
    const back = await corestate.load("auto");
    return { saves, problem: autosave.problem, neurons: back.engine.neuronCount };
  },
  (found) => assert.deepEqual(found, { saves: 2, problem: null, neurons: 3 }),
);

inPage(
  "autosave of a large region does not stall the page",
  async () => {
    const { corestate } = /** @type {any} */ (window);
    const state = await corestate.open({ name: "large", config: { agents: 1 << 17 } });
    for (let i = 0; i < 100000; i++) state.agents.register(`agent ${i}`, 0);
    const direct = performance.now();
    state.snapshot();
    const snapshot = performance.now() - direct;
    state.snapshot = () => {
      throw new Error("autosave took its picture on the page");
    };
    const autosave = state.autosave({ every: 3600e3 });
    let longest = 0;
    let saving = true;
    const done = autosave.now().then(() => (saving = false));
    let last = performance.now();
    while (saving) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    await done;
    await autosave.stop();
    return { saves: autosave.saves, problem: autosave.problem, snapshot, longest };
  },
  ({ saves, problem, snapshot, longest }) => {
    console.log(`snapshot on the page ${snapshot.toFixed(1)} ms, longest stall while autosaving ${longest.toFixed(1)} ms`);
    assert.equal(problem, null);
    assert.equal(saves, 1);
  },
);
