/** The workers' side: one asks, one answers, by each way in turn. */
import { attach } from "/corestate/index.js";
import { quiet } from "./measure.js";

const WARM = 200;
const BATCH = 20;

const next = (target) => new Promise((resolve) => target.addEventListener("message", ({ data }) => resolve(data), { once: true }));

/** Microseconds a round of something takes, by batches that the clock can measure, after some to warm up. */
async function times(rounds, once) {
  const taken = [];
  for (let batch = 0; batch < (rounds + WARM) / BATCH; batch++) {
    const began = performance.now();
    for (let i = batch * BATCH; i < (batch + 1) * BATCH; i++) {
      const waited = once(i);
      if (waited instanceof Promise) await waited;
    }
    if (batch >= WARM / BATCH) taken.push(((performance.now() - began) * 1000) / BATCH);
  }
  return taken;
}

/** Until an event is there: looking all the time, or asleep. */
const poll = (subscription) => {
  for (;;) {
    const [event] = subscription.drain(1);
    if (event) return event;
  }
};
const sleep = (subscription) => subscription.getSync();

const WAYS = { polling: poll, asleep: sleep };

async function ask(state, { port, words, rounds }) {
  port.start();
  const found = {};
  for (const [name, take] of Object.entries(WAYS)) {
    const answers = state.events.subscribe({ kinds: `answer ${name}` });
    port.postMessage(name);
    await next(port); // it listens
    found[`round trip, event, ${name}`] = quiet(await times(rounds, (i) => (state.events.publish(`question ${name}`, i), take(answers))));
  }
  const word = new Int32Array(words);
  port.postMessage("Atomics");
  await next(port);
  found["round trip, Atomics.wait and notify"] = quiet(
    await times(rounds, (i) => {
      Atomics.store(word, 0, i + 1);
      Atomics.notify(word, 0);
      Atomics.wait(word, 1, i);
    }),
  );
  port.postMessage("postMessage");
  await next(port);
  found["round trip, postMessage"] = quiet(
    await times(rounds, (i) => {
      const answer = next(port);
      port.postMessage(i);
      return answer;
    }),
  );
  postMessage(found);
}

async function answer(state, { port, words, rounds }) {
  port.start();
  for (const [name, take] of Object.entries(WAYS)) {
    await next(port);
    const questions = state.events.subscribe({ kinds: `question ${name}` });
    port.postMessage("listening");
    for (let i = 0; i < rounds + WARM; i++) {
      const event = take(questions);
      state.events.publish(`answer ${name}`, event.data);
    }
  }
  const word = new Int32Array(words);
  await next(port);
  port.postMessage("listening");
  await Promise.resolve();
  for (let i = 0; i < rounds + WARM; i++) {
    Atomics.wait(word, 0, i);
    Atomics.store(word, 1, i + 1);
    Atomics.notify(word, 1);
  }
  await next(port);
  port.postMessage("listening");
  for (let i = 0; i < rounds + WARM; i++) port.postMessage(await next(port));
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
    globalThis.state = state;
    await { ask, answer, toPage }[data.job](state, data);
  },
  { once: true },
);
