/** What a browser may refuse, and what is said then: storage, quota, WebAssembly, files that are not there. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ISOLATION } from "../../examples/server.mjs";
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

async function ready(url = server.url) {
  const context = await browser.newContext();
  const { page } = await visit(context, url);
  await page.waitForFunction("window.ready");
  return page;
}

/** In the page: what an attempt ends with. */
const TRY = `window.attempt = async (work) => {
  try { await work(); return "worked"; }
  catch (problem) { return problem.name + ": " + problem.message; }
};`;

test("IndexedDB that is blocked", async () => {
  const page = await ready();
  await page.evaluate(TRY);
  const found = await page.evaluate(async () => {
    const { open, load } = /** @type {any} */ (window).corestate;
    const attempt = /** @type {any} */ (window).attempt;
    Object.defineProperty(window, "indexedDB", { get: () => { throw new DOMException("access is denied", "SecurityError"); } }); // prettier-ignore
    const state = await open({ name: "brain" });
    return [await attempt(() => state.save()), await attempt(() => load("brain"))];
  });
  for (const message of found) assert.match(message, /^StorageError: .* expected IndexedDB that this page may use, found SecurityError: access is denied; allow this site/);
  await page.close();
});

test("a frame without an origin of its own has no storage, and says so", async () => {
  const lenient = await serveTests({ "Access-Control-Allow-Origin": "*" });
  try {
    const page = await ready(lenient.url);
    const found = await page.evaluate(() => {
      const frame = document.createElement("iframe");
      frame.sandbox.add("allow-scripts");
      frame.srcdoc = `<script type="module">
        import { open } from "${location.origin}/corestate/index.js";
        const state = await open({ name: "brain" });
        state.engine.neuronCount = 3;
        const said = await state.save().then(() => "worked", (problem) => problem.name + ": " + problem.message);
        parent.postMessage([said, state.engine.neuronCount], "*");
      </script>`;
      document.body.append(frame);
      return new Promise((resolve) => addEventListener("message", ({ data }) => resolve(data), { once: true }));
    });
    assert.match(found[0], /^StorageError: saving "brain": expected IndexedDB that this page may use, found SecurityError/);
    assert.equal(found[1], 3);
    await page.close();
  } finally {
    await lenient.close();
  }
});

test("a disk that is full: what was saved before is still there", async () => {
  const page = await ready();
  const session = await page.context().newCDPSession(page);
  await session.send("Storage.overrideQuotaForOrigin", { origin: server.url, quotaSize: 500000 });
  await page.evaluate(TRY);
  await page.evaluate(async () => {
    const { open } = /** @type {any} */ (window).corestate;
    const state = await open({ name: "brain", config: { agents: 20000 } });
    state.engine.neuronCount = 1;
    await state.save();
    /** @type {any} */ (window).state = state;
  });
  const found = await page.evaluate(async () => {
    const { state, attempt } = /** @type {any} */ (window);
    for (let i = 0; i < 20000; i++) state.agents.register(`agent ${i}`, 0, { metadata: "x".repeat(100) });
    return attempt(() => state.save());
  });
  assert.match(found, /^StorageError: saving "brain": expected room for the snapshot, found none: the disk is full, or this site has what it may have \(it uses \d+ bytes\); remove saves with forget/);
  const before = await page.evaluate(async () => {
    const state = await /** @type {any} */ (window).corestate.load("brain");
    return [state.engine.neuronCount, state.agents.size];
  });
  assert.deepEqual(before, [1, 0]);
  await page.close();
});

test("what was saved has been damaged, or is of another version, or nothing of ours", async () => {
  const page = await ready();
  await page.evaluate(TRY);
  const found = await page.evaluate(async () => {
    const { open, load, forget } = /** @type {any} */ (window).corestate;
    const attempt = /** @type {any} */ (window).attempt;
    const state = await open({ name: "brain" });
    state.counters.get("c").add(1);
    await state.save();
    const change = (/** @type {(saved: any) => any} */ edit) =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open("corestate");
        request.onsuccess = () => {
          const database = request.result;
          const store = database.transaction("snapshots", "readwrite").objectStore("snapshots");
          const read = store.get("brain");
          read.onsuccess = () => {
            const write = store.put(edit(read.result), "brain");
            write.onsuccess = () => { database.close(); resolve(undefined); }; // prettier-ignore
            write.onerror = reject;
          };
        };
        request.onerror = reject;
      });
    const results = [];
    await change((saved) => { saved.bytes[100] ^= 1; return saved; }); // prettier-ignore
    results.push(await attempt(() => load("brain")));
    await state.save();
    await change((saved) => ({ ...saved, bytes: saved.bytes.slice(0, 50) }));
    results.push(await attempt(() => load("brain")));
    await change(() => "nothing of ours");
    results.push(await attempt(() => load("brain")));
    await state.save(); // in its place
    results.push(await attempt(() => load("brain")));
    await forget("brain");
    results.push(String(await load("brain")));
    return results;
  });
  assert.match(found[0], /^CorruptError: restoring "brain": expected content that agrees with its CRC-32C/);
  assert.match(found[1], /^(TruncatedError|CorruptError): restoring "brain"/);
  assert.match(found[2], /^StorageError: loading "brain": expected what save\(\) has put there/);
  assert.deepEqual(found.slice(3), ["worked", "null"]);
  await page.close();
});

test("a database made by a newer version", async () => {
  const page = await ready();
  await page.evaluate(TRY);
  const found = await page.evaluate(async () => {
    await new Promise((resolve) => {
      const request = indexedDB.open("corestate", 99);
      request.onsuccess = () => { request.result.close(); resolve(undefined); }; // prettier-ignore
    });
    const { open } = /** @type {any} */ (window).corestate;
    const state = await open({ name: "brain" });
    return /** @type {any} */ (window).attempt(() => state.save());
  });
  assert.match(found, /^LayoutVersionError: saving "brain": expected a database of version 1, the one this corestate knows, found one made by a newer/);
  await page.close();
});

test("an autosave that fails says why, and goes on", async () => {
  const page = await ready();
  const found = await page.evaluate(async () => {
    const { open, load } = /** @type {any} */ (window).corestate;
    const state = await open({ name: "brain", shared: false });
    const real = window.indexedDB;
    Object.defineProperty(window, "indexedDB", { configurable: true, get: () => undefined });
    /** @type {string[]} */
    const errors = [];
    const autosave = state.autosave({ every: 3600e3, onError: (/** @type {Error} */ problem) => errors.push(problem.name) });
    await autosave.now();
    const failed = [autosave.saves, autosave.problem?.name];
    Object.defineProperty(window, "indexedDB", { configurable: true, value: real });
    state.engine.neuronCount = 9;
    await autosave.now();
    await autosave.stop();
    return { errors, failed, saves: autosave.saves, problem: autosave.problem, back: (await load("brain", { shared: false })).engine.neuronCount };
  });
  assert.deepEqual(found, { errors: ["StorageError"], failed: [0, "StorageError"], saves: 1, problem: null, back: 9 });
  await page.close();
});

test("no SharedArrayBuffer: regions are private, and what needs more says which headers to serve", async () => {
  const plain = await serveTests({});
  try {
    const page = await ready(plain.url);
    await page.evaluate(TRY);
    const found = await page.evaluate(async () => {
      const { attach, canShare, mirror, open } = /** @type {any} */ (window).corestate;
      const attempt = /** @type {any} */ (window).attempt;
      const state = await open({ name: "brain" });
      state.counters.get("c").add(2);
      const memory = new WebAssembly.Memory({ initial: 16 });
      const refused = [() => open({ shared: true }), async () => state.handle, () => attach({ memory, base: 64 }), () => mirror(null, { shared: true })];
      const private_ = await mirror(null);
      private_.close();
      return { can: canShare(), there: typeof SharedArrayBuffer, shared: state.shared, value: state.counters.get("c").number, said: await Promise.all(refused.map(attempt)) }; // prettier-ignore
    });
    const { said, ...rest } = found;
    assert.deepEqual(rest, { can: false, there: "undefined", shared: false, value: 2 });
    for (const message of said) assert.match(message, /^NotSharedError: .*Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp/);
    await page.close();
  } finally {
    await plain.close();
  }
});

test("WebAssembly that the page's policy forbids", async () => {
  const strict = await serveTests({ ...ISOLATION, "Content-Security-Policy": "script-src 'self' 'unsafe-inline'" });
  try {
    const context = await browser.newContext();
    const { page } = await visit(context, strict.url);
    await page.waitForFunction("window.ready");
    const found = await page.evaluate(async () => {
      try {
        await /** @type {any} */ (window).corestate.open({});
        return "worked";
      } catch (problem) {
        return `${/** @type {any} */ (problem).name}: ${/** @type {any} */ (problem).message}`;
      }
    });
    assert.match(found, /^UnsupportedError: loading the core: expected that this page may compile WebAssembly, .*'wasm-unsafe-eval' to script-src/);
    await page.close();
  } finally {
    await strict.close();
  }
});

test("wasm files that were not served beside index.js; the next attempt tries again", async () => {
  const page = await ready();
  await page.route("**/corestate-threads.wasm", (route) => route.fulfill({ status: 404, body: "no" }));
  await page.evaluate(TRY);
  const attempt = () => page.evaluate(() => /** @type {any} */ (window).attempt(() => /** @type {any} */ (window).corestate.open({})));
  assert.match(await attempt(), /^StorageError: loading the core: expected WebAssembly at http.*corestate-threads.wasm, found the server answered 404/);
  await page.unroute("**/corestate-threads.wasm");
  assert.equal(await attempt(), "worked");
  await page.close();
});
