/** A13: a region of a Python process, mirrored here: the same in every field, live, silent when its source is, made anew with it. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Duplex } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import { Worker } from "node:worker_threads";
import { attach, mirror, open } from "corestate";
import { describe } from "./describe.mjs";
import { Source } from "./source.mjs";
import { LONG } from "./team.mjs";

/** @type {Source} */
let source;
/** @type {import("corestate").Mirror} */
let mirrored;

beforeEach(async () => {
  source = new Source();
});
afterEach(async () => {
  mirrored?.close();
  await source.close();
});

/** @param {() => any} holds */
async function until(holds) {
  for (const end = performance.now() + LONG; performance.now() < end; await new Promise((resolve) => setTimeout(resolve, 5))) if (holds()) return;
  assert.fail(`not in ${LONG} ms: ${holds}`);
}

/** The mirror here of what the source sends from now on. @param {import("corestate").MirrorOptions} [options] */
async function mirrorOf(options) {
  mirrored = await mirror(null, options);
  await source.listen((socket) => mirrored.closed || mirrored.listen(/** @type {any} */ (Duplex.toWeb(socket))));
  source.start();
}

/** Until everything here is as it is there. @param {any} there */
async function same(there) {
  const state = await mirrored.ready({ timeout: LONG });
  await until(() => isDeepStrictEqual(describe(state), there));
  return state;
}

for (const shared of [false, true]) {
  test(`every field is as at the source, and stays so, ${shared ? "shared" : "private"}`, async () => {
    await mirrorOf({ shared, name: "far" });
    let state = await same(await source.turn());
    assert.equal(state.mode, "r");
    assert.equal(state.shared, shared);
    assert.throws(() => (state.engine.neuronCount = 1), { name: "ReadOnlyError" });
    const turns = state.events.subscribe({ kinds: "turn" });
    for (let i = 1; i <= 3; i++) {
      const there = await source.turn();
      assert.equal((await turns.get({ timeout: LONG }))?.data, i);
      assert.equal(await same(there), state);
    }
    assert.equal(turns.lost, 0);
    await until(() => !mirrored.report().behind); // a picture sent before there was a connection was asked for again
    const { ready, frames, corrupt } = mirrored.report();
    assert.deepEqual({ ready, corrupt }, { ready: true, corrupt: 0n });
    assert.ok(frames > 3n);
    assert.ok(state.health().reasons.every((reason) => reason !== "link_silent"));
    assert.equal(state.participants().filter(({ alive }) => alive).length, 1);
  });
}

test("a source that falls silent is shown as dead; one made anew is another state", async () => {
  /** @type {import("corestate").State[]} */
  const states = [];
  await mirrorOf({ silence: 500, onState: (state) => states.push(state) });
  const first = await same(await source.turn());
  await source.kill();
  await until(() => first.participants().every(({ alive }) => !alive));
  await until(() => first.health().reasons.includes("link_silent"));
  assert.ok(first.health().linkAgeNs > 0n);
  assert.ok(first.health().linkLoss >= 0 && first.health().linkLoss < 1);
  for (let turn = 2; turn <= 4; turn++) {
    source.start();
    const there = await source.turn();
    await until(() => states.length === turn);
    assert.equal(await same(there), states[turn - 1]);
    assert.equal(states[turn - 2].closed, true);
    await source.kill();
  }
  assert.ok(mirrored.report().restarts >= 3n);
  assert.equal(new Set(states.map((state) => state.region.base)).size, 2, "the room of earlier regions is used again");
});

test("workers attach to it, for reading", async () => {
  await mirrorOf({ shared: true });
  const state = await same(await source.turn());
  const { mode } = state.handle;
  assert.equal(mode, "r");
  await assert.rejects(attach(state.handle, { mode: "rw" }), { name: "ReadOnlyError", message: /changes are for its source to make/ });
  const program = `
    import { parentPort, workerData } from "node:worker_threads";
    import { attach } from "corestate";
    const state = await attach(workerData);
    const subscription = state.events.subscribe({ kinds: "turn" });
    parentPort.postMessage(state.mode);
    parentPort.postMessage([subscription.getSync({ timeout: ${LONG} }).data, state.engine.burstCount]);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program.replace('"corestate"', JSON.stringify(import.meta.resolve("corestate"))))}`), { workerData: state.handle }); // prettier-ignore
  const heard = /** @type {any[]} */ ([]);
  worker.on("message", (message) => heard.push(message));
  await until(() => heard.length === 1);
  await source.turn();
  await until(() => heard.length === 2);
  assert.deepEqual(heard, ["r", [1, 1]]);
  await worker.terminate();
});

test("p5: garbage on the line is counted and skipped; hostile frames change nothing that can hurt", async () => {
  mirrored = await mirror(null);
  let seed = 99;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16;
  /** @type {Uint8Array[]} */
  const taken = [];
  let live = false;
  /** @type {import("node:net").Socket | undefined} */
  let line;
  await source.listen((socket) => (line = socket).on("data", (data) => void (live ? mirrored.closed || mirrored.feed(data) : taken.push(data))));
  source.start();
  const there = await source.turn();
  await until(() => taken.reduce((sum, { length }) => sum + length, 0) > 30000);
  const stream = new Uint8Array(Buffer.concat(taken));
  mirrored.feed(Uint8Array.from({ length: 5000 }, random));
  mirrored.feed(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n\0"));
  assert.ok(mirrored.report().corrupt > 0n);
  for (let round = 0; round < 20; round++) {
    const damaged = stream.slice();
    for (let i = 0; i < 20; i++) damaged[random() % damaged.length] ^= 1 << random() % 8;
    for (let at = 0; at < damaged.length; ) mirrored.feed(damaged.subarray(at, (at += 1 + (random() % 3000))));
    if (mirrored.state) describe(mirrored.state);
  }
  live = true;
  line?.write(mirrored.request());
  await same(there); // it has got over all that
});

test("x8: a source that is too large is refused, counted and told, and the mirror goes on", async () => {
  /** @type {Error[]} */
  const problems = [];
  await mirrorOf({ largest: 4096, onError: (problem) => problems.push(problem) });
  const expected = { name: "TooBigError", message: /a region of 4096 bytes at most, found one of \d+; pass `largest`/ };
  await assert.rejects(mirrored.ready(), expected);
  await assert.rejects(mirrored.ready({ timeout: 50 }), expected);
  assert.equal(problems[0].name, "TooBigError");
  assert.equal(mirrored.problem, null);
  assert.equal(mirrored.closed, false);
  const { refused, reason } = mirrored.report();
  assert.ok(refused > 0n);
  assert.match(reason, /4096 bytes at most/);
});

/** CRC-32C. @param {number[]} bytes */
const crc32c = (bytes) => {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
};
const word = (/** @type {number} */ n) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];

/** A frame with a right checksum. @param {number} type @param {number} stream @param {number} number @param {number} unit */
function frame(type, stream, number, unit) {
  const bytes = [type, 0, 0, 0, ...word(stream), ...word(number), ...word(unit), ...word(0), ...new Array(16).fill(0)];
  bytes.push(...word(crc32c(bytes)));
  /** @type {number[]} */
  const out = [];
  for (let at = 0; at <= bytes.length; ) {
    const end = bytes.indexOf(0, at) < 0 ? bytes.length : bytes.indexOf(0, at);
    out.push(end - at + 1, ...bytes.slice(at, end));
    at = end + 1;
  }
  return Uint8Array.from([...out, 0]);
}

test("x8: a sender of another wire version, or with a key, is refused by name; the source is followed all the same", async () => {
  await mirrorOf();
  mirrored.feed(frame(2, 77, 0, 0)); // a beat of version 1 says none
  assert.match(mirrored.report().reason, /expected wire version 2, found wire version 1;/);
  mirrored.feed(frame(4, 0, 0, 0x10002));
  assert.match(mirrored.report().reason, /expected a sender without a key, found one with a key/);
  await same(await source.turn());
  assert.equal(mirrored.report().refused, 2n);
});

test("x8: while the source is heard nobody else is followed", async () => {
  await mirrorOf();
  const state = await same(await source.turn());
  for (let number = 0; number < 50; number++) mirrored.feed(frame(2, 77, number, 2));
  assert.ok(mirrored.report().refused >= 50n);
  assert.equal(mirrored.report().restarts, 0n);
  assert.equal(await same(await source.turn()), state);
});

test("what is no line, a wait that ends, a mirror that is closed", async () => {
  for (const [wrong, name] of /** @type {[any, string][]} */ ([[5, "WrongTypeError"], [{}, "WrongTypeError"], ["not an address", globalThis.WebSocket ? "InvalidError" : "UnsupportedError"]])) {
    await assert.rejects(mirror(wrong), { name, message: /^mirror.*: expected .*, found .*; / });
  }
  await assert.rejects(mirror(null, { silence: -1 }), { name: "OutOfRangeError", message: /silence/ });
  mirrored = await mirror(null);
  assert.equal(mirrored.state, null);
  await assert.rejects(mirrored.ready({ timeout: 20 }), { name: "WaitTimeoutError", message: /a whole picture of the source, found none; 0 frames came/ });
  const waiting = assert.rejects(mirrored.ready(), { name: "ClosedError" });
  mirrored.close();
  await waiting;
  await assert.rejects(mirrored.ready(), { name: "ClosedError" });
  mirrored.close();
  assert.equal((await open({})).health().linkAgeNs, 0n);
  assert.equal((await open({})).health().linkLoss, 0);
});
