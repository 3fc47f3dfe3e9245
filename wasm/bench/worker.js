/** The workers' side: one asks, one answers, by each way in turn. */
import { attach } from "/corestate/index.js";

const next = (target) => new Promise((resolve) => target.addEventListener("message", ({ data }) => resolve(data), { once: true }));

/** An event, by looking all the time. */
const poll = (subscription) => {
  for (;;) {
    const [event] = subscription.drain(1);
    if (event) return event;
  }
};

/**
 * The ways to ask and to answer. Each has words or a subscription of its own, and `turn`s only ever grow.
 * @returns {Record<string, {ask: (turn: number) => any, answer: (turn: number) => any}>}
 */
function ways(state, port, words) {
  const events = (name, take) => {
    const [questions, answers] = ["question", "answer"].map((kind) => state.events.subscribe({ kinds: `${kind} ${name}` }));
    return {
      ask: (turn) => (state.events.publish(`question ${name}`, turn), take(answers)),
      answer: () => state.events.publish(`answer ${name}`, take(questions).data),
    };
  };
  const [spun, slept] = [new Int32Array(words, 0, 2), new Int32Array(words, 64, 2)];
  return {
    "event, polling": events("polling", poll),
    "event, asleep": events("asleep", (subscription) => subscription.getSync()),
    "Atomics, polling": {
      ask: (turn) => {
        Atomics.store(spun, 0, turn);
        while (Atomics.load(spun, 1) !== turn);
      },
      answer: (turn) => {
        while (Atomics.load(spun, 0) !== turn);
        Atomics.store(spun, 1, turn);
      },
    },
    "Atomics, asleep": {
      ask: (turn) => {
        Atomics.store(slept, 0, turn);
        Atomics.notify(slept, 0);
        while (Atomics.load(slept, 1) !== turn) Atomics.wait(slept, 1, turn - 1);
      },
      answer: (turn) => {
        while (Atomics.load(slept, 0) !== turn) Atomics.wait(slept, 0, turn - 1);
        Atomics.store(slept, 1, turn);
        Atomics.notify(slept, 1);
      },
    },
    postMessage: {
      ask: (turn) => {
        const answer = next(port);
        port.postMessage(turn);
        return answer;
      },
      answer: async () => port.postMessage(await next(port)),
    },
  };
}

/** Microseconds of a round trip by each way: a batch of each in turn, so that a slow moment of the machine falls on all. */
async function ask(state, { port, words, batches, rounds, seconds }) {
  port.start();
  const found = {};
  const all = Object.entries(ways(state, port, words));
  await next(port); // the other side is there
  const end = performance.now() + 1000 * seconds; // who polls on a busy machine waits for the scheduler each time
  for (let batch = 0; batch < batches && performance.now() < end; batch++)
    for (const [name, way] of all) {
      const begins = next(port);
      port.postMessage(name);
      await begins;
      const began = performance.now();
      for (let i = 1; i <= rounds; i++) {
        const waited = way.ask(batch * rounds + i);
        if (waited instanceof Promise) await waited;
      }
      (found[name] ??= []).push(((performance.now() - began) * 1000) / rounds);
    }
  postMessage(found);
}

async function answer(state, { port, words, batches, rounds }) {
  port.start();
  const all = ways(state, port, words);
  port.postMessage("here");
  for (let batch = 0; batch < batches; batch++)
    for (let count = Object.keys(all).length; count > 0; count--) {
      const way = all[await next(port)];
      const first = way === all.postMessage ? way.answer(batch * rounds + 1) : null; // listens before the other begins
      port.postMessage("listening");
      for (let i = first ? 2 : 1; i <= rounds; i++) {
        if (i === 2) await first;
        const waited = way.answer(batch * rounds + i);
        if (waited instanceof Promise) await waited;
      }
    }
}

async function toPage(state) {
  const stamp = () => performance.timeOrigin + performance.now();
  postMessage("ready");
  for (;;) {
    const way = await next(globalThis);
    if (way === "event") state.events.publish("stamp", stamp());
    else postMessage(stamp());
  }
}

globalThis.addEventListener(
  "message",
  async ({ data }) => {
    const state = await attach(data.handle);
    globalThis.state = state; // in use until this worker ends
    await { ask, answer, toPage }[data.job](state, data);
  },
  { once: true },
);
