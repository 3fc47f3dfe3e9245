/** A worker that is terminated blocks nobody: what it held is taken over, what it registered is reaped. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { AgentType, DeregisterReason, open } from "corestate";
import { Hand, LONG, team } from "./team.mjs";

/** @type {import("./team.mjs").State} */
let state;

beforeEach(async () => {
  state = await open({ shared: true, config: { participants: 8 } });
});
afterEach(() => state.close());

test("p3: a lock whose holder was terminated is inherited, and the taker is told", async () => {
  const holder = new Hand("hold", state.handle);
  await holder.said("holding");
  const lock = state.locks.get("guard");
  assert.equal(lock.tryAcquire(), false);
  assert.equal(lock.holder !== 0 && !lock.mine, true);
  const news = state.events.subscribe({ kinds: ["lock_inherited"] });

  const waiting = lock.acquire({ timeout: LONG });
  await holder.kill();
  await waiting;
  assert.equal(lock.inherited, true);
  assert.equal(lock.mine, true);
  lock.release();
  assert.equal(lock.inherited, false);
  const event = await news.get({ timeout: LONG });
  assert.equal(event?.data.name, "guard");
  assert.equal(state.areas.get("v1").lock.tryAcquire(), true);
});

test("p3: a worker asleep in a wait for the lock takes it over, too", async () => {
  const holder = new Hand("hold", state.handle);
  await holder.said("holding");
  const heir = new Hand("inherit", state.handle);
  await heir.said("ready");
  await holder.kill();
  assert.equal((await heir.done).inherited, true);
});

test("an agent of a terminated worker is reaped as dead, and health says so before", async () => {
  const holder = new Hand("hold", state.handle);
  await holder.said("holding");
  assert.deepEqual(state.health().reasons, []);
  await holder.kill();
  const { reasons, agentsDead } = state.health();
  assert.ok(reasons.includes("stale_agents"), String(reasons));
  assert.equal(agentsDead, 1);
  const news = state.events.subscribe({ kinds: ["agent_deregistered"] });
  assert.equal(state.agents.reap(), 1);
  assert.equal((await news.get({ timeout: LONG }))?.data.reason, DeregisterReason.DEAD);
});

test("p2, p3: workers terminated in the middle of anything leave a region that works", async () => {
  state.agents.register("target", AgentType.SENSORY);
  for (let round = 0; round < 12; round++) {
    const doomed = team(2, "storm", state.handle);
    await Promise.all(doomed.map((hand) => hand.said("begun")));
    const seen = state.counters.get("storm").value;
    await Promise.race([state.counters.get("storm").wait(seen, { timeout: LONG }), doomed[0].done]); // they are at it
    await doomed[0].kill();
    const after = state.counters.get("storm").value;
    await Promise.race([state.counters.get("storm").wait(after, { timeout: LONG }), doomed[1].done]); // the other goes on
    await doomed[1].kill();

    await state.locks.get("guard").use(() => state.events.publish("alive", round), { timeout: LONG });
    const bytes = state.agents.get("target")?.capabilities ?? new Uint8Array();
    assert.ok(bytes.every((/** @type {number} */ byte) => byte === bytes[0]), `torn: ${bytes}`);
    state.agents.update("target", { metadata: round });
    state.gauges.get(`round ${round}`).set(round);
    state.engine.brainReady = round % 2 === 0;
    assert.equal(state.participants().filter(({ alive }) => alive).length, 1);
  }
  const listener = state.events.subscribe({ since: 0 });
  const last = listener.drain().at(-1);
  assert.equal((last?.sequence ?? 0) <= state.events.newest, true);
  assert.equal(listener.position, state.events.newest);
  assert.equal(state.health().participantsDead, 0);
});
