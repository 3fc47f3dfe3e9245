/** The page's side of the benchmark: reads, and what comes from a worker; and it brings two workers together. */
import { open } from "/corestate/index.js";
import { median, perCall } from "./measure.js";
import * as Comlink from "/modules/comlink/dist/esm/comlink.mjs";

const ROUNDS = 40;
const BATCHES = 250;
const SECONDS = 40;
const ARRIVALS = 600;

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
    "engine.neuronCount": perCall(() => engine.neuronCount),
    "counter.number": perCall(() => counter.number),
    "counter.value": perCall(() => counter.value),
    "engine.view()": perCall(() => Atomics.load(view, 0)),
    "Atomics.load": perCall(() => Atomics.load(plain, 0)),
    "counter.add()": perCall(() => counter.add(1)),
    "events.publish()": perCall(() => state.events.publish("mark"), 2000),
  };
}

/** How long after a worker has published or posted does the page have it, in microseconds; by turns. */
async function toPage(state) {
  const { made, next } = worker();
  made.postMessage({ job: "toPage", handle: state.handle });
  await next();
  const subscription = state.events.subscribe({ kinds: "stamp" });
  const late = { event: [], postMessage: [] };
  for (let i = 0; i < ARRIVALS; i++) {
    for (const way of Object.keys(late)) {
      const arrived = way === "event" ? subscription.get() : next();
      made.postMessage(way);
      const stamp = way === "event" ? (await arrived).data : await arrived;
      late[way].push((performance.timeOrigin + performance.now() - stamp) * 1000);
    }
  }
  made.terminate();
  // Means of twenty: the clock's steps are too large for single ones.
  const means = (samples) => Array.from({ length: samples.length / 20 }, (_, i) => samples.slice(i * 20, i * 20 + 20).reduce((a, b) => a + b) / 20);
  return Object.fromEntries(Object.entries(late).map(([way, samples]) => [way, median(means(samples))]));
}

/** Round trips between two workers, in microseconds, batch by batch. */
async function betweenWorkers(state) {
  const [left, right] = [worker(), worker()];
  const channel = new MessageChannel();
  const words = new SharedArrayBuffer(128);
  const common = { handle: state.handle, words, batches: BATCHES, rounds: ROUNDS, seconds: SECONDS };
  left.made.postMessage({ ...common, job: "ask", port: channel.port1 }, [channel.port1]);
  right.made.postMessage({ ...common, job: "answer", port: channel.port2 }, [channel.port2]);
  const found = await left.next();
  left.made.terminate();
  right.made.terminate();
  return found;
}

/** The same as a call that Comlink carries, page to worker. */
async function comlink() {
  const remote = worker("comlink-worker.js");
  const proxy = Comlink.wrap(remote.made);
  await proxy.add(0);
  const taken = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const began = performance.now();
    for (let i = 0; i < ROUNDS; i++) await proxy.add(1);
    taken.push(((performance.now() - began) * 1000) / ROUNDS);
  }
  remote.made.terminate();
  return taken;
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
    reads: reads(state),
    trips: { ...(await betweenWorkers(state)), "Comlink call": await comlink() },
    arrivals: await toPage(state),
    python: await python(state, wheels),
  };
};
