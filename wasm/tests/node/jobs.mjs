/** What workers do in the tests of races. Each job gets the attached state and its options, and returns what it found. */
import { parentPort, workerData } from "node:worker_threads";
import { AgentType, attach, BurstEngineState, CorestateError } from "corestate";

/** @typedef {import("./team.mjs").State} State */

/** @param {string} word */
const say = (word) => parentPort?.postMessage({ said: word });

/** Until it is terminated; what it is given stays in use. @param {State} state */
const forever = (state) => new Promise(() => setInterval(() => state.closed, 1 << 30));

/** @type {Record<string, (state: State, options: any) => any>} */
const jobs = {
  add(state, { rounds }) {
    const counter = state.counters.get("shared");
    for (let i = 0; i < rounds; i++) counter.add(1);
    for (let i = 0; i < rounds; i++) state.engine.add("burstCount", 1);
    return rounds;
  },

  /** A plain read and a plain write, which only the lock makes one step. */
  underLock(state, { rounds }) {
    const lock = state.locks.get("guard");
    const gauge = state.gauges.get("guarded");
    for (let i = 0; i < rounds; i++) {
      lock.acquireSync();
      gauge.set(gauge.value + 1);
      lock.release();
    }
    return rounds;
  },

  publish(state, { rounds, me }) {
    for (let i = 0; i < rounds; i++) state.events.publish("mark", { me, i });
    return state.participant;
  },

  /** Takes events until the one that says that there will be no more. */
  listen(state, { count }) {
    const subscription = state.events.subscribe({ kinds: ["mark", "end"], since: 0 });
    say("ready");
    /** @type {number[]} */
    const next = Array(count).fill(0);
    let taken = 0;
    let last = 0;
    let disorder = 0;
    for (const event of subscription) {
      disorder += Number(event.sequence <= last);
      last = event.sequence;
      if (event.kind === "end") break;
      disorder += Number(event.data.i < next[event.data.me]);
      next[event.data.me] = event.data.i + 1;
      taken++;
    }
    return { taken, lost: subscription.lost, holes: subscription.holes, disorder, last };
  },

  /** Details of which every byte is the same; whole records only ever show one. */
  writeDetails(state, { rounds, me }) {
    for (let i = 0; i < rounds; i++) {
      const filled = new Uint8Array(100).fill((i * 4 + me) & 0xff);
      state.agents.update("target", { capabilities: filled, metadata: filled });
    }
    return rounds;
  },

  readDetails(state, { rounds }) {
    let torn = 0;
    for (let i = 0; i < rounds; i++) {
      let agent;
      try {
        agent = state.agents.get("target");
      } catch (problem) {
        if (/** @type {CorestateError} */ (problem).code === "CS_E_BUSY") continue; // its writers never paused
        throw problem;
      }
      const bytes = [...(agent?.capabilities ?? []), ...(agent?.metadata ?? [])];
      torn += Number(bytes.some((byte) => byte !== bytes[0]));
    }
    return torn;
  },

  toggle(state, { rounds, me }) {
    const states = [BurstEngineState.RUNNING, BurstEngineState.PAUSED, BurstEngineState.READY];
    for (let i = 0; i < rounds; i++) state.engine.burstState = states[(i + me) % states.length];
    return rounds;
  },

  churn(state, { rounds, me }) {
    for (let i = 0; i < rounds; i++) {
      const name = `name ${(i + me) % 16}`;
      try {
        state.counters.get(name).add(1);
        state.counters.delete(name);
      } catch (problem) {
        // Somebody else removed it between two steps.
        if (!["CS_E_STALE", "CS_E_NOT_FOUND"].includes(String(/** @type {CorestateError} */ (problem).code))) throw problem;
      }
    }
    return rounds;
  },

  hold(state) {
    state.locks.get("guard").tryAcquire();
    state.areas.get("v1").lock.tryAcquire();
    state.agents.register("doomed", AgentType.SENSORY);
    say("holding");
    return forever(state);
  },

  /** Asks for the lock asleep, and says how that went and when. */
  inherit(state) {
    say("ready");
    const lock = state.locks.get("guard");
    lock.acquireSync({ timeout: 120000 });
    const found = { inherited: lock.inherited, at: performance.timeOrigin + performance.now() };
    lock.release();
    return found;
  },

  /** Everything at once, for ever. */
  storm(state, { me }) {
    const lock = state.locks.get("guard");
    const counter = state.counters.get("storm");
    say("begun");
    for (let i = 0; ; i++) {
      counter.add(1);
      state.events.publish("mark", { me: 0, i });
      lock.acquireSync({ timeout: 120000 });
      state.engine.burstState = i % 2 ? BurstEngineState.RUNNING : BurstEngineState.PAUSED;
      lock.release();
      const filled = new Uint8Array(100).fill(i & 0xff);
      state.agents.update("target", { capabilities: filled, metadata: filled });
      const name = `storm ${me} ${i % 8}`;
      state.gauges.get(name).set(i);
      state.gauges.delete(name);
    }
  },

  waitForCounter(state) {
    say("ready");
    return Number(state.counters.get("bell").waitSync(0, { timeout: 120000 }));
  },

  stay(state) {
    say("attached");
    return forever(state);
  },

  nothing(state) {
    return state.participant;
  },

  leave(state) {
    state.close();
    return "closed";
  },
};

const { job, handle, options } = workerData;
const state = await attach(handle);
parentPort?.postMessage({ result: await jobs[job](state, options) });
