/** The page's side of the benchmark: reads, and what comes from a worker; and it brings two workers together. */
import { open } from "/corestate/index.js";
import { quiet, perCall } from "./measure.js";
import * as Comlink from "/modules/comlink/dist/esm/comlink.mjs";

const ROUNDS = 3000;

function worker(file = "worker.js") {
  const made = new Worker(file, { type: "module" });
  const next = () =>
    new Promise((resolve, reject) => {
      made.addEventListener("message", ({ data }) => resolve(data), { once: true });
      made.addEventListener("error", (event) => reject(new Error(event.message)), { once: true });
    });
  return { made, next };
}

function reads(state) {
  const { engine } = state;
  engine.neuronCount = 86e9;
  const counter = state.counters.get("spikes");
  counter.set(5);
  const view = engine.view("neuronCount");
  const plain = new Int32Array(new SharedArrayBuffer(4));
  return {
    "engine.neuronCount, through the core": perCall(() => engine.neuronCount),
    "counter.number, through the core": perCall(() => counter.number),
    "counter.value (BigInt), through the core": perCall(() => counter.value),
    "engine.view(), typed array": perCall(() => Atomics.load(view, 0)),
    "Atomics.load of an Int32Array": perCall(() => Atomics.load(plain, 0)),
    "counter.add(1)": perCall(() => counter.add(1)),
  };
}

/** Means of twenty at a time: the clock's steps are too large for single ones. @param {number[]} samples */
const batches = (samples) =>
  Array.from({ length: Math.floor(samples.length / 20) }, (_, i) => samples.slice(i * 20, i * 20 + 20).reduce((a, b) => a + b) / 20);

/** How long after a worker has published or posted does the page have it. */
async function toPage(state) {
  const { made, next } = worker();
  made.postMessage({ job: "toPage", handle: state.handle });
  await next();
  const found = {};
  for (const way of ["event", "postMessage"]) {
    const subscription = state.events.subscribe({ kinds: "stamp" });
    const late = [];
    for (let i = 0; i < ROUNDS / 5; i++) {
      const arrived = way === "event" ? subscription.get() : next();
      made.postMessage(way);
      const stamp = way === "event" ? (await arrived).data : await arrived;
      late.push((performance.timeOrigin + performance.now() - stamp) * 1000);
    }
    found[`worker to page, ${way}`] = quiet(batches(late));
  }
  made.terminate();
  return found;
}

/** Round trips between two workers. */
async function betweenWorkers(state) {
  const [left, right] = [worker(), worker()];
  const channel = new MessageChannel();
  const words = new SharedArrayBuffer(64);
  right.made.postMessage({ job: "answer", handle: state.handle, port: channel.port2, words, rounds: ROUNDS }, [channel.port2]);
  left.made.postMessage({ job: "ask", handle: state.handle, port: channel.port1, words, rounds: ROUNDS }, [channel.port1]);
  const found = await left.next();
  left.made.terminate();
  right.made.terminate();
  const remote = worker("comlink-worker.js");
  const proxy = Comlink.wrap(remote.made);
  await proxy.add(0);
  const taken = [];
  for (let i = 0; i < ROUNDS / 5; i++) {
    const began = performance.now();
    await proxy.add(1);
    taken.push((performance.now() - began) * 1000);
  }
  remote.made.terminate();
  return { ...found, "round trip, Comlink call from the page": quiet(batches(taken)) };
}

async function python(state, wheels) {
  const { made, next } = worker("python-worker.js");
  made.postMessage({ handle: state.handle, wheels });
  const found = await next();
  made.terminate();
  return found;
}

globalThis.bench = async (wheels) => {
  const state = await open({ name: "bench", config: { events: 4096 } });
  return {
    "nanoseconds a call": reads(state),
    "microseconds": { ...(await betweenWorkers(state)), ...(await toPage(state)) },
    "microseconds a call in Pyodide": await python(state, wheels),
  };
};
