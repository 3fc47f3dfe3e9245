/** The JavaScript API on one thread, in both builds: every part, its edges and its errors. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, suite, test } from "node:test";
import {
  AgentStatus, AgentType, attach, BurstEngineState, ConnectomeState, CorestateError, DeregisterReason, GenomeState, open,
  probe, restore, ServiceState, Verdict,
} from "corestate"; // prettier-ignore

/** @param {string} code @param {RegExp} [words] */
const refused = (code, words = /expected .*, found .*; /) => (/** @type {any} */ problem) => {
  assert.ok(problem instanceof CorestateError, String(problem));
  assert.equal(problem.code, code, String(problem));
  assert.match(problem.message, words);
  return true;
};

for (const shared of [false, true]) {
  suite(shared ? "shared" : "private", () => {
    /** @type {import("corestate").State} */
    let state;
    beforeEach(async () => {
      state = await open({ name: "t", shared, config: { agents: 4, areas: 3, counters: 3, gauges: 3, locks: 3, events: 16, eventBytes: 64, eventKinds: 3, agentDetailsBytes: 64 } }); // prettier-ignore
    });
    afterEach(() => state.close());

    test("states are set, read and announced; unknown ones are refused", () => {
      const news = state.events.subscribe();
      state.engine.burstState = BurstEngineState.DEEP_SLEEP;
      state.engine.genomeState = GenomeState.SAVING;
      state.engine.connectomeState = ConnectomeState.READY;
      state.engine.fqSamplerState = ServiceState.READY;
      state.engine.apiState = ServiceState.DEGRADED;
      state.engine.zmqState = ServiceState.ERROR;
      state.engine.brainReady = true;
      state.engine.brainReady = true; // no change, no event
      assert.deepEqual(news.drain().map(({ kind, data }) => [kind, data]), [
        ["burst_engine_state_changed", { old: 0, new: 7 }],
        ["genome_state_changed", { old: 0, new: 3 }],
        ["connectome_state_changed", { old: 0, new: 3 }],
        ["service_state_changed", { service: "fqSamplerState", old: 0, new: 2 }],
        ["service_state_changed", { service: "apiState", old: 0, new: 3 }],
        ["service_state_changed", { service: "zmqState", old: 0, new: 4 }],
        ["brain_ready_changed", { old: false, new: true }],
      ]);
      assert.equal(state.engine.brainReady, true);
      for (const wrong of [8, -1, 1.5, NaN, "3", null])
        assert.throws(() => (state.engine.burstState = /** @type {any} */ (wrong)), refused("CS_E_INVALID", /engine.burstState: expected 0 to 7/));
      assert.equal(state.engine.burstState, BurstEngineState.DEEP_SLEEP);
    });

    test("numbers hold what they can and refuse the rest", () => {
      const { engine } = state;
      engine.synapseCount = 50e9;
      assert.equal(engine.synapseCount, 50e9);
      engine.memoryUsage = 2n ** 64n - 1n;
      assert.throws(() => engine.memoryUsage, refused("CS_E_RANGE", /read it with engine.bigint\("memoryUsage"\)/));
      assert.equal(engine.bigint("memoryUsage"), 2n ** 64n - 1n);
      const view = engine.view("memoryUsage");
      assert.equal(Atomics.load(view, 0), 2n ** 64n - 1n);
      engine.memoryUsage = 5;
      assert.equal(Atomics.load(view, 0), 5n);
      assert.throws(() => engine.view("memory"), refused("CS_E_INVALID", /memory/));
      engine.genomeTimestamp = 1_700_000_000_000_000_000n;
      assert.equal(engine.genomeTimestamp, 1_700_000_000_000_000_000n);
      engine.corticalAreasHash = 2n ** 63n + 1n;
      assert.equal(engine.corticalAreasHash, 2n ** 63n + 1n);
      engine.burstFrequency = 30.5;
      engine.fatigueIndex = 100;
      engine.fatigueActive = true;
      assert.deepEqual([engine.burstFrequency, engine.fatigueIndex, engine.fatigueActive], [30.5, 100, true]);
      for (const wrong of [-1, 2 ** 53, 0.5, 2n ** 64n, -1n]) assert.throws(() => (engine.neuronCount = /** @type {any} */ (wrong)), refused("CS_E_RANGE"));
      for (const wrong of ["5", null, {}]) assert.throws(() => (engine.neuronCount = /** @type {any} */ (wrong)), /WrongTypeError|expected a whole number/);
      for (const wrong of [100.001, -0.5, Infinity]) assert.throws(() => (engine.fatigueIndex = wrong), refused("CS_E_RANGE"));
      assert.throws(() => (engine.fatigueIndex = NaN), refused("CS_E_NAN"));
      assert.equal(engine.add("neuronCount", 5), 5);
      assert.equal(engine.add("neuronCount", -5), 0);
      assert.throws(() => engine.add("neuronCount", -1), refused("CS_E_RANGE"));
      assert.throws(() => engine.add("neurons"), refused("CS_E_INVALID", /expected one of agentCount, burstCount/));
      assert.throws(() => engine.add("version"), refused("CS_E_INVALID"));
      assert.equal(typeof engine.version, "number");
      assert.equal(typeof engine.lastModified, "bigint");
      const all = engine.snapshot();
      assert.equal(all.quiet, true);
      assert.equal(all.synapseCount, 50_000_000_000n);
      assert.equal(Object.keys(all).length, 7 + 22 + 2);
    });

    test("counters and gauges", async () => {
      const counter = state.counters.get("spikes");
      assert.equal(counter.add(5), 5n);
      assert.equal(counter.add(-2n), 3n);
      counter.set(2n ** 64n - 1n);
      assert.equal(counter.value, 2n ** 64n - 1n);
      assert.throws(() => counter.number, refused("CS_E_RANGE"));
      assert.throws(() => counter.add(1), refused("CS_E_RANGE"));
      assert.equal(counter.compareExchange(2n ** 64n - 1n, 7), true);
      assert.equal(counter.compareExchange(8, 9), false);
      assert.equal(counter.number, 7);
      const gauge = state.gauges.get("load");
      gauge.set(-0.25);
      assert.equal(gauge.add(1), 0.75);
      assert.equal(gauge.compareExchange(0.75, -0), true);
      assert.ok(Object.is(gauge.value, -0));
      assert.throws(() => gauge.set(NaN), refused("CS_E_NAN"));
      assert.deepEqual([[...state.counters.keys()], state.counters.size, state.counters.has("nope")], [["spikes"], 1, false]);
      assert.equal(state.counters.find("nope"), undefined);
      const waiting = counter.wait(7, { timeout: 120000 });
      counter.add(1);
      assert.equal(await waiting, 8n);
      await assert.rejects(counter.wait(8, { timeout: 20 }), refused("CS_E_TIMEOUT"));
      await assert.rejects(gauge.wait(0, { timeout: -1 }), refused("CS_E_RANGE"));
      state.counters.delete("spikes");
      assert.throws(() => counter.value, refused("CS_E_STALE"));
      assert.throws(() => counter.number, refused("CS_E_STALE"));
      assert.throws(() => state.counters.delete("spikes"), refused("CS_E_NOT_FOUND"));
    });

    test("names that cannot be, and one too many", () => {
      for (const wrong of ["", "x".repeat(64), "é".repeat(32), "\ud800", "a\0b"]) assert.throws(() => state.counters.get(wrong), refused("CS_E_NAME"));
      assert.throws(() => state.counters.get(/** @type {any} */ (5)), /expected a string, found 5/);
      for (const name of ["x".repeat(63), "é".repeat(31), "🧠"]) assert.equal(state.counters.get(name).name, name);
      assert.deepEqual(new Set(state.counters.keys()), new Set(["x".repeat(63), "é".repeat(31), "🧠"]));
      assert.throws(() => state.counters.get("one more"), refused("CS_E_FULL"));
    });

    test("areas", () => {
      const news = state.events.subscribe({ kinds: "area_changed" });
      const area = state.areas.get("v1");
      assert.equal(area.fclWindow, 20);
      area.fclWindow = 30;
      area.neuronCount = 7;
      assert.equal(area.add("incomingSynapseCount", 2n ** 40n), 2 ** 40);
      assert.throws(() => area.add("neuronCount", -8), refused("CS_E_RANGE"));
      assert.throws(() => (area.fclWindow = 2 ** 32), refused("CS_E_RANGE"));
      assert.equal(area.bigint("neuronCount"), 7n);
      assert.equal(state.areas.at(area.index).name, "v1");
      assert.throws(() => state.areas.at(2), refused("CS_E_NOT_FOUND"));
      assert.deepEqual(news.drain().map(({ data }) => data), ["fclWindow", "neuronCount", "incomingSynapseCount"].map((field) => ({ name: "v1", field })));
      area.lock.tryAcquire();
      assert.equal(area.lock.mine, true);
      area.lock.release();
      state.areas.delete("v1");
      assert.throws(() => area.neuronCount, refused("CS_E_STALE"));
    });

    test("locks: no entering twice, release by the holder alone, use", async () => {
      const lock = state.locks.get("l");
      await lock.acquire();
      assert.throws(() => lock.tryAcquire(), refused("CS_E_DEADLOCK"));
      await assert.rejects(lock.acquire({ timeout: 10 }), refused("CS_E_DEADLOCK"));
      assert.deepEqual([lock.locked, lock.mine, lock.inherited, lock.holder], [true, true, false, state.participant]);
      lock.release();
      assert.throws(() => lock.release(), refused("CS_E_NOT_OWNER"));
      assert.equal(await lock.use(() => lock.mine), true);
      await assert.rejects(lock.use(() => Promise.reject(new Error("work failed"))), /work failed/);
      assert.equal(lock.locked, false);
    });

    test("agents: their life, their details, their errors", () => {
      const news = state.events.subscribe();
      const agent = state.agents.register("eye", AgentType.SENSORY, { capabilities: { fps: 30, id: 2n ** 60n }, transport: "tcp", metadata: [1, null, -5e12] });
      assert.deepEqual([agent.capabilities, agent.transport, agent.metadata], [{ fps: 30, id: 2n ** 60n }, "tcp", [1, null, -5e12]]);
      assert.throws(() => state.agents.register("eye", AgentType.MOTOR), refused("CS_E_EXISTS"));
      assert.throws(() => state.agents.register("ear", 5), refused("CS_E_INVALID", /expected an AgentType, found 5/));
      assert.throws(() => state.agents.register("ear", AgentType.MOTOR, { metadata: "x".repeat(100) }), refused("CS_E_TOO_BIG"));
      assert.throws(() => state.agents.register("ear", AgentType.MOTOR, { metadata: () => 1 }), /expected null, booleans/);
      assert.equal(state.agents.setStatus("eye", AgentStatus.RUNNING), true);
      assert.equal(state.agents.setStatus(agent, AgentStatus.RUNNING), false);
      state.agents.setStatus("eye", AgentStatus.FAILED);
      assert.throws(() => state.agents.setStatus("eye", AgentStatus.RUNNING), refused("CS_E_TRANSITION"));
      assert.equal(state.agents.update("eye", { transport: null }).transport, null);
      assert.deepEqual(state.agents.get("eye")?.capabilities, { fps: 30, id: 2n ** 60n });
      state.agents.heartbeat(agent);
      assert.deepEqual(state.agents.list().map(({ id, type, status }) => [id, type, status]), [["eye", 0, AgentStatus.FAILED]]);
      assert.equal(state.engine.agentCount, 1);
      state.agents.deregister("eye");
      assert.throws(() => state.agents.heartbeat(agent), refused("CS_E_STALE"));
      assert.throws(() => state.agents.deregister("eye"), refused("CS_E_NOT_FOUND"));
      assert.deepEqual(news.drain().map(({ kind, data }) => [kind, data]), [
        ["agent_registered", { id: "eye", type: 0 }],
        ["agent_status_changed", { id: "eye", old: 0, new: 1 }],
        ["agent_status_changed", { id: "eye", old: 1, new: 7 }],
        ["agent_deregistered", { id: "eye", type: 0, reason: DeregisterReason.DEREGISTERED }],
      ]);
    });

    test("events: numbers come as they went, whatever their length as MessagePack", () => {
      const all = state.events.subscribe();
      for (const whole of [0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, -1, 1.5]) {
        state.events.publish("number", whole);
        assert.equal(all.drain()[0].data, whole);
      }
    });

    test("events: order, filter, loss to the number, data of every kind", async () => {
      const all = state.events.subscribe();
      const some = state.events.subscribe({ kinds: ["b"] });
      const values = [null, true, 1, -1, 2 ** 40, -(2 ** 40), 2n ** 63n, -(2n ** 63n), 0.5, "text", [1, [2]], { a: { b: 1 } }, new Uint8Array([1, 2])];
      for (const [i, value] of values.entries()) assert.equal(state.events.publish(i % 2 ? "b" : "a", value), i + 1);
      assert.deepEqual(all.drain().map(({ data }) => data), values);
      assert.deepEqual(some.drain().map(({ sequence }) => sequence), values.map((_, i) => i + 1).filter((sequence) => sequence % 2 === 0));
      for (let i = 0; i < 40; i++) state.events.publish("a", i);
      assert.deepEqual(all.drain().map(({ data }) => data), Array.from({ length: 16 }, (_, i) => 24 + i));
      assert.deepEqual([all.lost, all.lastLoss, all.position], [24, [14, 37], 53]);
      assert.throws(() => state.events.publish("a", "x".repeat(64)), refused("CS_E_TOO_BIG", /at most 64 bytes of data, found 66/));
      assert.throws(() => state.events.publish("agent_registered", 1), refused("CS_E_INVALID"));
      for (const cyclic of [(() => { const a = /** @type {any} */ ([]); a.push(a); return a; })()]) assert.throws(() => state.events.publish("a", cyclic), refused("CS_E_INVALID")); // prettier-ignore
      assert.throws(() => state.events.publish("a", 2n ** 64n), refused("CS_E_RANGE"));
      assert.equal(await all.get({ timeout: 0 }), null);
      assert.equal(await all.get({ timeout: 20 }), null);
      state.events.publish("a", "again");
      for await (const event of all) {
        assert.equal(event.data, "again");
        break;
      }
      assert.deepEqual(state.events.subscribe({ since: 52 }).drain().map(({ sequence }) => sequence), [53, 54]);
      all.close();
      assert.throws(() => all.drain(), refused("CS_E_CLOSED"));
      assert.throws(() => state.events.subscribe({ kinds: [] }), refused("CS_E_INVALID"));
    });

    test("health names what is wrong", () => {
      assert.deepEqual([state.health().verdict, state.health().reasons], [Verdict.OK, []]);
      state.engine.burstState = BurstEngineState.ERROR;
      for (const name of ["a", "b", "c"]) state.counters.get(name);
      const found = state.health();
      assert.deepEqual([found.verdict, found.reasons], [Verdict.FAILED, ["engine_error", "counters_full"]]);
      assert.deepEqual([found.counters, found.participants.used, found.engine.burstState], [{ used: 3, capacity: 3 }, 1, 5]);
    });

    test("snapshots: there and back, checked before anything is believed", async () => {
      state.engine.neuronCount = 42;
      state.counters.get("spikes").set(2n ** 63n);
      state.agents.register("eye", AgentType.SENSORY, { capabilities: { fps: 30 } });
      const taken = state.snapshot();
      const { bytes, config, changed, version, length } = taken;
      assert.deepEqual([changed, version, length, config.agents], [false, 1, bytes.length, 4]);
      const back = await restore(bytes, { name: "back", shared });
      assert.deepEqual([back.engine.neuronCount, back.counters.get("spikes").value, back.agents.get("eye")?.capabilities, back.config], [42, 2n ** 63n, { fps: 30 }, state.config]);
      back.close();
      assert.deepEqual({ bytes, ...(await probe(bytes)) }, taken);
      for (const at of [20, bytes.length >> 1, bytes.length - 1]) {
        const flipped = bytes.slice();
        flipped[at] ^= 1;
        await assert.rejects(probe(flipped), refused("CS_E_CORRUPT"));
      }
      await assert.rejects(probe(bytes.slice(0, -5)), (/** @type {any} */ problem) => /CS_E_(TRUNCATED|CORRUPT)/.test(problem.code));
      await assert.rejects(probe(new TextEncoder().encode("something else entirely")), refused("CS_E_NOT_REGION", /expected a snapshot/));
      await assert.rejects(restore(bytes, { config: { ...config, counters: 0 } }), refused("CS_E_FULL"));
      await assert.rejects(restore(/** @type {any} */ ("text")), /expected a Uint8Array/);
    });

    test("after close everything says so", async () => {
      const lock = state.locks.get("l");
      const subscription = state.events.subscribe();
      const waiting = subscription.get();
      state.close();
      state.close();
      assert.equal(state.closed, true);
      await assert.rejects(waiting, refused("CS_E_CLOSED"));
      for (const use of [() => state.engine.neuronCount, () => (state.engine.neuronCount = 1), () => state.counters.get("c"), () => lock.tryAcquire(),
        () => state.agents.list(), () => state.events.publish("k"), () => state.health(), () => state.snapshot(), () => subscription.drain()]) assert.throws(use, refused("CS_E_CLOSED")); // prettier-ignore
    });
  });
}

test("field v3: a participant has one id, however often its slot was used", async () => {
  const state = await open({ shared: true });
  const events = state.events.subscribe({ kinds: ["said", "lock_inherited"] });
  for (let round = 0; round < 1100; round++) (await attach(state.handle)).close();
  const other = await attach(state.handle);
  const me = other.participant;
  assert.ok(state.participants().some(({ id, alive }) => id === me && alive));
  other.events.publish("said");
  assert.equal((await events.get({ timeout: 120000 }))?.source, me);
  other.agents.register("a", 0);
  assert.deepEqual([state.agents.get("a")?.participant, state.agents.list()[0]?.participant], [me, me]);
  other.locks.get("l").tryAcquire();
  assert.equal(state.locks.get("l").holder, me);
  other.close();
  state.locks.get("l").tryAcquire();
  const told = await events.get({ timeout: 120000 });
  assert.deepEqual([told?.source, told?.data.dead, told?.data.taker], [state.participant, me, state.participant]);
  state.close();
});

test("read-only: reads everything, writes nothing, takes no participant slot", async () => {
  const state = await open({ shared: true });
  state.engine.neuronCount = 3;
  state.counters.get("c").set(4);
  const reader = await attach(state.handle, { mode: "r" });
  assert.deepEqual([reader.engine.neuronCount, reader.counters.get("c").value, reader.participant, state.participants().length], [3, 4n, 0, 1]);
  const events = reader.events.subscribe();
  state.events.publish("k", 1);
  assert.equal((await events.get({ timeout: 120000 }))?.data, 1);
  for (const use of [() => (reader.engine.neuronCount = 1), () => (reader.engine.burstState = 1), () => reader.counters.get("c").add(), () => reader.counters.get("new"),
    () => reader.events.publish("k"), () => reader.agents.register("a", 0), () => state.locks.get("l") && reader.locks.get("l").tryAcquire()]) assert.throws(use, refused("CS_E_READ_ONLY")); // prettier-ignore
  reader.close();
  state.close();
});
