/** P5, P9: memory that is no region, or not the one it should be, is an error that says what it is. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { attach, CorestateError, fromImage, open } from "corestate";

/** @type {import("corestate").State} */
let state;
beforeEach(async () => {
  state = await open({ shared: true, config: { participants: 2 } });
});
afterEach(() => state.close());

/** @param {Promise<any>} attempt @param {string} name @param {RegExp} words */
const refused = (attempt, name, words) =>
  assert.rejects(attempt, (/** @type {any} */ problem) => {
    assert.ok(problem instanceof CorestateError, String(problem));
    assert.equal(problem.name, name, String(problem));
    assert.match(problem.message, words);
    return true;
  });

/** @param {any} changes */
const handle = (changes) => ({ ...state.handle, ...changes });

test("what is no memory, not shared, another program's, or too small", async () => {
  await refused(attach(handle({ memory: new SharedArrayBuffer(65536) })), "WrongTypeError", /expected a WebAssembly.Memory/);
  await refused(attach(handle({ memory: new WebAssembly.Memory({ initial: 16 }) })), "NotSharedError", /Cross-Origin-Opener-Policy/);
  const foreign = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  new Uint8Array(foreign.buffer).fill(0xa5);
  await refused(attach(handle({ memory: foreign })), "NotRegionError", /expected a memory made by corestate, found another program's/);
  assert.ok(new Uint8Array(foreign.buffer).every((byte) => byte === 0xa5), "another program's memory was written to");
  const tiny = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  await refused(attach(handle({ memory: tiny })), "TruncatedError", /expected at least \d+ bytes of memory, found 65536/);
});

test("a base that is none", async () => {
  const { base, memory } = state.handle;
  for (const wrong of [0, -64, base + 1, 1.5, NaN, "0", memory.buffer.byteLength, 2 ** 40]) {
    await refused(attach(handle({ base: wrong })), "TruncatedError", /expected a base of 64 to \d+, a multiple of 64/);
  }
  for (const elsewhere of [base + 64, base + 256, memory.buffer.byteLength - 64]) {
    await refused(attach(handle({ base: elsewhere })), "NotRegionError", /expected a region, found something else/);
  }
});

test("memory of another build", async () => {
  const { constants } = await import("../../generated/abi.js");
  const bytes = new Uint8Array(state.handle.memory.buffer);
  const at = constants.CS_WASM_MARK + 8;
  bytes[at] ^= 1;
  await refused(attach(state.handle), "BuildMismatchError", /serve the same version of the package to the page and to its workers/);
  bytes[at] ^= 1;
});

test("p9: a region of a newer layout, and one whose maker has not finished", async () => {
  const header = new DataView(state.handle.memory.buffer, state.handle.base, 64);
  const version = header.getUint32(8, true);
  header.setUint32(8, version + 1, true);
  await refused(attach(state.handle), "LayoutVersionError", new RegExp(`expected layout version ${version}, .* found version ${version + 1}, made by a newer`));
  header.setUint32(8, version, true);
  const image = state.image();
  for (const [length, words] of /** @type {[number, RegExp][]} */ ([[image.length - 64, /bytes its header says/], [100, /expected/], [8, /expected/]])) {
    await refused(fromImage(image.slice(0, length)), "TruncatedError", words);
  }
  await refused(fromImage(new Uint8Array(0)), "NotRegionError", /something else/);
  await refused(fromImage(new TextEncoder().encode("x".repeat(100000))), "NotRegionError", /something else/);
});

test("every participant slot taken", async () => {
  const second = await attach(state.handle);
  await refused(attach(state.handle), "ParticipantsFullError", /each belongs to someone alive/);
  const reader = await attach(state.handle, { mode: "r" });
  reader.close();
  second.close();
  (await attach(state.handle)).close();
});

test("options that make no sense", async () => {
  await refused(open({ config: /** @type {any} */ ({ agent: 1 }) }), "InvalidError", /config.agent: expected one of agents, /);
  await refused(open({ config: { events: 3 } }), "OutOfRangeError", /config.events: .* found 3/);
  await refused(open({ config: { agents: -1 } }), "OutOfRangeError", /config.agents/);
  await refused(open({ config: /** @type {any} */ ({ agents: "5" }) }), "WrongTypeError", /config.agents/);
  await refused(open({ config: { agents: 2 ** 24 } }), "TooBigError", /bytes of memory/);
  await refused(attach(state.handle, { mode: /** @type {any} */ ("w") }), "InvalidError", /mode: expected "rw" or "r"/);
});

test("p5: any bytes in the region while it is used: a wrong value or an error, never a crash or a hang", async () => {
  const image = state.image();
  let seed = 12345;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0);
  const names = ["a", "b", "c"];
  for (let round = 0; round < 60; round++) {
    const scribbled = await fromImage(image, { shared: true });
    const { memory, base } = scribbled.handle;
    const bytes = new Uint8Array(memory.buffer, base, image.length);
    for (let i = 0; i < 400; i++) bytes[256 + (random() % (image.length - 256))] = random() >>> 16;
    const uses = [
      () => scribbled.engine.snapshot(), () => (scribbled.engine.burstState = random() % 8), () => scribbled.engine.add("burstCount"),
      () => scribbled.counters.get(names[random() % 3]).add(), () => [...scribbled.counters], () => [...scribbled.areas], () => scribbled.health(),
      () => scribbled.agents.register(names[random() % 3], 0), () => [...scribbled.agents], () => scribbled.agents.reap(), () => scribbled.events.publish("k", round),
      () => scribbled.events.subscribe({ since: 0 }).drain(), () => scribbled.snapshot(), () => scribbled.participants(), () => scribbled.locks.get("l").tryAcquire(),
    ]; // prettier-ignore
    for (const use of uses) {
      try {
        use();
      } catch (problem) {
        assert.ok(problem instanceof CorestateError, String(/** @type {any} */ (problem)?.stack));
      }
    }
    scribbled.close();
  }
});

test("field x15: a value is not repeated in an error", async () => {
  const secret = /** @type {any} */ ("hunter2-s3cret");
  await refused(open({ config: { agents: secret } }), "WrongTypeError", /config.agents: expected a whole number, found a string;/);
  const state = await open();
  const calls = [
    () => state.counters.get("c").add(secret),
    () => state.counters.get("c").add(/** @type {any} */ ([secret])),
    () => state.gauges.get("g").set(secret),
    () => (state.engine.burstState = secret),
    () => (state.engine.neuronCount = secret),
    () => state.agents.register("a", secret),
  ];
  for (const call of calls) {
    try {
      call();
    } catch (problem) {
      assert.doesNotMatch(String(problem), /hunter2/, String(call));
    }
  }
  state.close();
});
