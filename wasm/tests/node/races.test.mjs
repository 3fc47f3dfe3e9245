/** Several workers on one region: exact counts, whole records, exact events, in the order everybody sees. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { AgentType, open } from "corestate";
import { Hand, results, team } from "./team.mjs";

const WORKERS = 4;
/** @type {import("./team.mjs").State} */
let state;

beforeEach(async () => {
  state = await open({ shared: true, config: { events: 4096, participants: 16 } });
});
afterEach(() => state.close());

test("counters that all add to are exact", async () => {
  const rounds = 20000;
  await results(team(WORKERS, "add", state.handle, { rounds }));
  assert.equal(state.counters.get("shared").value, BigInt(WORKERS * rounds));
  assert.equal(state.engine.burstCount, WORKERS * rounds);
});

test("a lock lets in one at a time", async () => {
  const rounds = 3000;
  await results(team(WORKERS, "underLock", state.handle, { rounds }));
  assert.equal(state.gauges.get("guarded").value, WORKERS * rounds);
  assert.equal(state.locks.get("guard").locked, false);
});

test("p4: each listener gets each event once and in order, or is told how many it lost", async () => {
  const rounds = 5000;
  const listeners = team(2, "listen", state.handle);
  await Promise.all(listeners.map((listener) => listener.said("ready")));
  await results(team(2, "publish", state.handle, { rounds }));
  const end = state.events.publish("end");
  // A producer that this machine let stand still for a whole lap was passed over, and published anew.
  const holes = Number(state.health().eventsHoles);
  assert.equal(end, 2 * rounds + holes + 1);
  for (const found of await results(listeners)) {
    assert.equal(found.last, end);
    assert.equal(found.disorder, 0);
    assert.equal(found.taken + found.lost + found.holes, 2 * rounds + holes, JSON.stringify(found));
  }
});

test("a page hears what workers publish", async () => {
  const rounds = 1000;
  const subscription = state.events.subscribe({ kinds: ["mark"] });
  const producers = team(2, "publish", state.handle, { rounds });
  let taken = 0;
  for await (const event of subscription) {
    assert.equal(event.kind, "mark");
    if (++taken + subscription.lost === 2 * rounds) break;
  }
  const sources = await results(producers);
  assert.equal(new Set(sources).size, 2);
});

test("p2: nobody sees half of a record", async () => {
  state.agents.register("target", AgentType.SENSORY);
  const writers = team(2, "writeDetails", state.handle, { rounds: 4000 });
  const readers = team(2, "readDetails", state.handle, { rounds: 4000 });
  assert.deepEqual(await results(readers), [0, 0]);
  await results(writers);
  assert.equal(state.agents.get("target")?.detailsVersion, 1 + 2 * 4000);
});

test("p4: each change of a state has its event, and each event its change", async () => {
  const subscription = state.events.subscribe({ kinds: "burst_engine_state_changed", since: 0 });
  await results(team(WORKERS, "toggle", state.handle, { rounds: 200 }));
  const events = subscription.drain();
  const { changes, burstState } = state.engine.snapshot();
  assert.equal(subscription.lost, 0);
  assert.equal(BigInt(events.length), changes.burstState);
  let now = 0;
  for (const { data } of events) {
    assert.equal(data.old, now);
    now = data.new;
  }
  assert.equal(now, burstState);
});

test("names come and go under many hands", async () => {
  await results(team(WORKERS, "churn", state.handle, { rounds: 2000 }));
  assert.equal([...state.counters.keys()].length, state.counters.size);
  for (const name of state.counters.keys()) state.counters.delete(name);
  assert.equal(state.counters.size, 0);
  state.counters.get("after all that").set(1);
});

test("a worker asleep on a counter is woken", async () => {
  state.counters.get("bell");
  const sleeper = new Hand("waitForCounter", state.handle);
  await sleeper.said("ready");
  state.counters.get("bell").set(7);
  assert.equal(await sleeper.done, 7);
});

test("seats and slots are given back: workers come and go without the memory growing", async () => {
  const first = team(2, "stay", state.handle);
  await Promise.all(first.map((hand) => hand.said("attached")));
  await Promise.all(first.map((hand) => hand.kill()));
  const before = state.handle.memory.buffer.byteLength;
  for (let i = 0; i < 10; i++) await results(team(2, "leave", state.handle));
  for (let i = 0; i < 5; i++) {
    const [left] = team(1, "nothing", state.handle); // ends without closing
    await left.done;
    await left.kill();
  }
  assert.equal(state.handle.memory.buffer.byteLength, before);
  assert.deepEqual(state.participants().map(({ me, alive }) => [me, alive]), [[true, true]]);
});
