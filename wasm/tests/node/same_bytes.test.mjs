/** P6: images and snapshots go from the host to wasm and back, and every field is the same there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromImage, restore } from "corestate";
import { ROOT } from "../../tools/compiler.mjs";

const PYTHON = path.join(ROOT, ".venv/bin/python");
const SAME = fileURLToPath(new URL("same.py", import.meta.url));
const snake = (/** @type {string} */ name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** @param {string[]} args */
const host = (...args) => JSON.parse(execFileSync(PYTHON, [SAME, ...args], { encoding: "utf8" }));

/** As same.py's plain(). @param {any} value @returns {any} */
function plain(value) {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value;
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snake(key), plain(inner)]));
  return value;
}

/** Numbers that are floating point in Python, whatever their value. @param {any} value */
const real = (value) => ({ real: value });
/** @param {any} value @returns {any} */
function unwrap(value) {
  if (value && typeof value === "object" && "real" in value) return Number(value.real);
  if (Array.isArray(value)) return value.map(unwrap);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrap(inner)]));
  return value;
}

const REALS = ["burstFrequency", "fatigueIndex", "regularNeuronUtil", "memoryNeuronUtil", "synapseUtil"];

/** The same as same.py's describe(). @param {import("corestate").State} state */
function describe(state) {
  const engine = state.engine.snapshot();
  for (const name of REALS) engine[name] = real(engine[name]);
  return unwrap({
    config: plain(state.config),
    engine: plain(engine),
    counters: Object.fromEntries([...state.counters].map(([name, counter]) => [name, plain(counter.value)])),
    gauges: Object.fromEntries([...state.gauges].map(([name, gauge]) => [name, gauge.value])),
    areas: Object.fromEntries([...state.areas].map(([name, area]) => [name, plain({ index: area.index, neuronCount: area.bigint("neuronCount"), incomingSynapseCount: area.bigint("incomingSynapseCount"), outgoingSynapseCount: area.bigint("outgoingSynapseCount"), fclWindow: area.bigint("fclWindow") })])), // prettier-ignore
    locks: [...state.locks.keys()].sort(),
    agents: Object.fromEntries([...state.agents].map((agent) => [agent.id, plain({ type: agent.type, status: agent.status, registeredAt: agent.registeredAt, lastSeen: agent.lastSeen, statusChanges: agent.statusChanges, details: agent.details })])), // prettier-ignore
    events: state.events.subscribe({ since: 0 }).drain().map(({ sequence, timeNs, kind, source, data }) => plain({ sequence, timeNs, kind, source, data: eventData(data) })), // prettier-ignore
  });
}

/** Names of fields and services are in JavaScript's spelling. @param {any} data */
function eventData(data) {
  if (data?.field) return { ...data, field: snake(data.field) };
  if (data?.service) return { ...data, service: snake(data.service) };
  return data;
}

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
      const here = describe(state);
      writeFileSync(file(`${build}.snap`), state.snapshot().bytes);
      assert.deepEqual(host("restore", file(`${build}.snap`), file(`${build}-back.state`)), here);
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
