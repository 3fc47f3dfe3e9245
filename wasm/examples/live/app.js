/** The page: opens or restores the region, starts the workers, and draws what is in it at the display's rate. */
import { AgentStatus, AgentType, BurstEngineState, forget, load, open, Verdict } from "corestate";
import { Pad, Raster } from "./canvases.js";
import { Plot } from "./plots.js";

const NAME = "corestate live";
const CONFIG = { agents: 16, areas: 8, counters: 32, gauges: 32, locks: 8, events: 1024, eventBytes: 192, participants: 16 };
const AREAS = ["pointer", "frames", "association"];
const RATES = ["bursts", "spikes", "senses"];
const SAMPLES = 300;
const SAMPLE_MS = 100;
const EVENTS_SHOWN = 40;

const at = (id) => document.getElementById(id);
const nameOf = (values, number) => Object.keys(values).find((key) => values[key] === number)?.toLowerCase() ?? number;

function complain(problem) {
  at("problem").hidden = false;
  at("problem").textContent = problem?.message ?? String(problem);
}

/** The figures of the engine, made once and written each frame. */
class Figures {
  #shown = new Map();

  constructor(list, names) {
    for (const name of names) {
      const box = document.createElement("div");
      const term = Object.assign(document.createElement("dt"), { textContent: name });
      const value = document.createElement("dd");
      box.append(term, value);
      list.append(box);
      this.#shown.set(name, value);
    }
  }

  set(name, text) {
    const value = this.#shown.get(name);
    if (value.textContent !== text) value.textContent = text;
  }
}

class View {
  #state;
  #figures = new Figures(at("figures"), ["state", "bursts", "Hz", "neurons", "firing %", "load %", "version"]);
  #activity = new Plot(at("activity"), AREAS, SAMPLES);
  #rates = new Plot(at("rates"), RATES, SAMPLES);
  #raster = new Raster(at("raster"));
  #pad;
  #gauges;
  #counters;
  #events;
  #began = performance.now();
  #lastFrame = performance.now();
  #lastSample = 0;
  #lastSlow = 0;
  #before = [];

  constructor(state) {
    this.#state = state;
    const gauge = (name) => state.gauges.get(name);
    this.#gauges = { areas: AREAS.map((name) => gauge(`activity.${name}`)), x: gauge("pointer.x"), y: gauge("pointer.y"), frame: gauge("frame.ms") };
    this.#counters = { spikes: state.counters.get("spikes"), senses: state.counters.get("senses"), moves: state.counters.get("pointer.moves") };
    this.#events = state.events.subscribe();
    this.#pad = new Pad(at("pad"), (x, y) => {
      this.#gauges.x.set(x);
      this.#gauges.y.set(y);
      this.#counters.moves.add(); // wakes the sensor
    });
  }

  /** Each frame. */
  draw = (now) => {
    requestAnimationFrame(this.draw);
    this.#gauges.frame.set(0.9 * this.#gauges.frame.value + 0.1 * (now - this.#lastFrame));
    this.#lastFrame = now;
    const { engine } = this.#state;
    this.#figures.set("state", nameOf(BurstEngineState, engine.burstState).replace("_", " "));
    this.#figures.set("bursts", engine.burstCount.toLocaleString("en"));
    this.#figures.set("Hz", engine.burstFrequency.toFixed(1));
    this.#figures.set("neurons", engine.neuronCount.toLocaleString("en"));
    this.#figures.set("firing %", engine.regularNeuronUtil.toFixed(1));
    this.#figures.set("load %", engine.fatigueIndex.toFixed(0));
    this.#figures.set("version", engine.version.toLocaleString("en"));
    this.#hear();
    if (now - this.#lastSample >= SAMPLE_MS) this.#sample(now);
    if (now - this.#lastSlow >= 500) this.#slowly(now);
    this.#pad.draw(this.#gauges.x.value, this.#gauges.y.value, Math.min(1, this.#gauges.areas[0].value / 20));
    this.#raster.draw();
  };

  #hear() {
    const list = at("events");
    for (const event of this.#events.drain()) {
      if (event.kind === "burst") this.#raster.add(event.data.fired);
      const item = document.createElement("li");
      const number = Object.assign(document.createElement("span"), { textContent: event.sequence });
      const kind = Object.assign(document.createElement("b"), { textContent: event.kind });
      const data = Object.assign(document.createElement("i"), { textContent: event.kind === "burst" ? event.data.burst : JSON.stringify(event.data) });
      item.append(number, kind, data);
      list.prepend(item);
    }
    while (list.children.length > EVENTS_SHOWN) list.lastChild.remove();
    at("events-lost").textContent = this.#events.lost ? `${this.#events.lost} lost` : "";
  }

  #sample(now) {
    const seconds = (now - this.#began) / 1000;
    const counts = [this.#state.engine.burstCount, this.#counters.spikes.number, this.#counters.senses.number];
    const passed = (now - this.#lastSample) / 1000;
    this.#activity.add(seconds, this.#gauges.areas.map((gauge) => gauge.value));
    if (this.#before.length) this.#rates.add(seconds, counts.map((count, i) => Math.max(0, count - this.#before[i]) / passed));
    this.#before = counts;
    this.#lastSample = now;
    this.#activity.draw();
    this.#rates.draw();
  }

  #slowly(now) {
    this.#lastSlow = now;
    const { verdict, reasons } = this.#state.health({ staleAfter: 5000 });
    const name = nameOf(Verdict, verdict);
    Object.assign(at("verdict"), { textContent: [name, ...reasons].join(", ").replaceAll("_", " "), className: `badge ${name}` });
    const rows = this.#state.agents.list().map(({ id, type, status, lastSeen }) => {
      const seen = Math.max(0, Date.now() - Number(lastSeen / 1000000n));
      const row = document.createElement("tr");
      for (const text of [id, nameOf(AgentType, type), nameOf(AgentStatus, status), seen < 1000 ? "now" : `${Math.round(seen / 1000)} s ago`])
        row.append(Object.assign(document.createElement("td"), { textContent: text }));
      return row;
    });
    at("agents").replaceChildren(...rows);
  }
}

/** A worker of this page, told where the region is. */
function start(file, handle, hear) {
  const worker = new Worker(new URL(file, import.meta.url), { type: "module", name: file });
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = (event) => complain(new Error(`${file}: ${event.message}`));
  worker.postMessage(handle);
  return worker;
}

function control(state) {
  const command = (data) => state.events.publish("command", data);
  const run = at("run");
  run.onclick = () => {
    const running = run.getAttribute("aria-pressed") !== "true";
    run.setAttribute("aria-pressed", String(running));
    run.textContent = running ? "Pause" : "Run";
    command({ running });
  };
  at("poke").onclick = () => command({ excite: true });
  at("frequency").oninput = ({ target }) => {
    at("frequency-shown").textContent = target.value;
    command({ frequency: Number(target.value) });
  };
}

async function main() {
  const kept = await load(NAME, { shared: true }).catch((problem) => complain(problem));
  const state = kept ?? (await open({ name: NAME, shared: true, config: CONFIG }));
  for (const agent of state.agents.list()) state.agents.deregister(agent); // workers of the page that was
  globalThis.state = state; // for whoever opens the console
  const saving = state.autosave({ every: 1000, onError: complain });
  at("status").textContent = kept ? "restored" : "new";
  at("forget").onclick = async () => {
    await saving.stop();
    await forget(NAME);
    location.reload();
  };
  control(state);
  new View(state).draw(performance.now());
  start("sensor-worker.js", state.handle, () => {});
  start("engine-worker.js", state.handle, ({ status, problem }) => {
    if (problem) complain(new Error(`the engine: ${problem}`));
    else at("status").textContent = status;
  });
  setInterval(() => (at("saved").textContent = saving.problem ? "" : `(saved ${saving.saves} times)`), 1000);
}

main().catch(complain);
