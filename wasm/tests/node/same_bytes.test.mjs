/** P6: images and snapshots go from the host to wasm and back, and every field is the same there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromImage, probe, restore } from "corestate";
import { COUNTERS, LOCKS } from "../../src/reserved.js";
import { ROOT } from "../../tools/compiler.mjs";
import { describe } from "./describe.mjs";

const PYTHON = path.join(ROOT, ".venv/bin/python");
const SAME = fileURLToPath(new URL("same.py", import.meta.url));
/** @param {string[]} args */
const host = (...args) => JSON.parse(execFileSync(PYTHON, [SAME, ...args], { encoding: "utf8" }));

suite("p6", () => {
  /** @type {string} */
  let directory;
  /** @type {any} */
  let made;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "corestate-same-"));
    made = host("make", directory);
  });
  after(() => rmSync(directory, { recursive: true }));
  const file = (/** @type {string} */ name) => path.join(directory, name);

  test("what Python's durable parts have is known here by the same names", () => {
    assert.deepEqual(host("names"), { counters: COUNTERS, locks: LOCKS });
  });

  for (const shared of [false, true]) {
    const build = shared ? "threads" : "single";

    test(`a host's region opens in wasm, ${build}`, async () => {
      const state = await fromImage(readFileSync(file("host.state")), { shared, mode: "r" });
      assert.deepEqual(describe(state), made);
      assert.deepEqual(Buffer.from(state.image()), readFileSync(file("host.state")));
      state.close();
    });

    test(`a host's snapshot opens in wasm, and goes back, ${build}`, async () => {
      const state = await restore(readFileSync(file("host.snap")), { shared });
      assert.deepEqual(state.config, (await probe(readFileSync(file("host.snap")))).config);
      const here = describe(state);
      writeFileSync(file(`${build}.snap`), state.snapshot().bytes);
      assert.deepEqual(host("restore", file(`${build}.snap`), file(`${build}-back.state`)), here);
      const smaller = await restore(readFileSync(file("host.snap")), { shared, config: { ...state.config, counters: 4, locks: 1 } });
      assert.deepEqual([smaller.config.counters, smaller.config.locks], [4, 1]); // as many as are listed
      assert.throws(() => smaller.locks.get("another"), { name: "FullError" });
      smaller.close();
      const { events, ...rest } = made;
      assert.deepEqual({ ...here, events: here.events.slice(0, events.length) }, { ...rest, events });
      state.close();
    });

    test(`what wasm has changed opens on the host, ${build}`, async () => {
      const state = await fromImage(readFileSync(file("host.state")), { shared });
      state.engine.neuronCount = 1;
      state.engine.zmqState = 3;
      state.counters.get("from wasm").set(2n ** 63n);
      state.gauges.get("from wasm").set(-1e300);
      state.areas.get("new").fclWindow = 3;
      state.agents.register("page", 3, { capabilities: { fps: 60 } });
      state.events.publish("mark", { from: "wasm", big: 2n ** 60n });
      assert.equal(state.locks.get("held").tryAcquire(), true); // its holder is not of this memory
      assert.equal(state.locks.get("held").inherited, true);
      state.locks.get("held").release();
      const here = describe(state);
      const image = state.image();
      state.close();
      writeFileSync(file(`${build}.state`), image);
      assert.deepEqual(host("describe", file(`${build}.state`)), here);
    });
  }
});
