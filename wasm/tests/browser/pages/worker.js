/** What workers of the test page do; the jobs say so when they have begun. */
import { AgentType, attach } from "/corestate/index.js";

const jobs = {
  hold(state) {
    state.locks.get("guard").acquireSync();
    state.agents.register("doomed", AgentType.SENSORY);
    postMessage("holding");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // deaf from here on
  },

  inherit(state) {
    postMessage("asking");
    const lock = state.locks.get("guard").acquireSync({ timeout: 120000 });
    postMessage({ inherited: lock.inherited });
  },

  publish(state, { rounds }) {
    for (let i = 0; i < rounds; i++) state.events.publish("mark", { i });
    postMessage("published");
  },

  add(state, { rounds }) {
    const counter = state.counters.get("shared");
    for (let i = 0; i < rounds; i++) counter.add(1);
    postMessage("added");
  },

  look(state) {
    postMessage({ mode: state.mode, turns: state.counters.find("turns").number });
  },

  leave(state) {
    state.close();
    postMessage("left");
  },
};

onmessage = async ({ data: { job, handle, options } }) => {
  const state = await attach(handle);
  globalThis.state = state; // in use until the worker ends
  jobs[job](state, options);
};
