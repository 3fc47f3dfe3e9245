/**
 * Saving now and then without stalling the page: a region that workers can attach to is pictured and saved by a worker of its
 * own; a private one here, when the page has nothing else to do.
 */
import { fromPlain, InvalidError } from "./errors.js";
import { put } from "./storage.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {{name: string, every: number, onError: (problem: Error) => void}} Options */

const IDLE_MS = 1000;

/** A worker that saves whenever it is told to. */
class Saver {
  #worker = new Worker(new URL("./saver.js", import.meta.url), { type: "module", name: "corestate saver" });
  /** @type {Map<number, {resolve: (saved: boolean) => void, reject: (problem: unknown) => void}>} */
  #asked = new Map();
  #number = 0;

  /** @param {State} state @param {string} name */
  constructor(state, name) {
    this.#worker.onmessage = ({ data: { number, saved, problem } }) => {
      const asked = this.#asked.get(number);
      this.#asked.delete(number);
      if (problem) asked?.reject(fromPlain(problem));
      else asked?.resolve(saved);
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#asked.values()) reject(new Error(event.message || "the saver could not be started"));
      this.#asked.clear();
    };
    this.#worker.postMessage({ handle: state.handle, name });
  }

  /** @param {boolean} evenIfSame @returns {Promise<boolean>} whether anything was saved */
  save(evenIfSame) {
    return new Promise((resolve, reject) => {
      this.#asked.set(++this.#number, { resolve, reject });
      this.#worker.postMessage({ number: this.#number, evenIfSame });
    });
  }

  stop() {
    this.#worker.postMessage("stop");
  }
}

/** Resolved when the page has nothing else to do, or soon anyway. */
function idle() {
  const request = /** @type {any} */ (globalThis).requestIdleCallback;
  return new Promise((resolve) => (request ? request(resolve, { timeout: IDLE_MS }) : setTimeout(resolve, 0)));
}

/** Of one state; made by `state.autosave()`. */
export class Autosave {
  #state;
  #options;
  #saver;
  /** @type {ReturnType<typeof setInterval>} */
  #timer;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  #version = "";
  /** How often something was saved. */
  saves = 0;
  /** @type {Error | null} Why the last attempt failed; null when it did not. */
  problem = null;

  /** @param {State} state @param {Options} options */
  constructor(state, options) {
    if (!options.name)
      throw new InvalidError("autosave", { expected: "a name to save under", found: "none", advice: "open the region with a name, or give one here" });
    this.#state = state;
    this.#options = options;
    this.#saver = state.shared ? new Saver(state, options.name) : null;
    this.#timer = setInterval(() => void this.#attempt(false), options.every);
  }

  /** @param {boolean} evenIfSame */
  #attempt(evenIfSame) {
    this.#last = this.#last.then(() => this.#save(evenIfSame)).then(
      (saved) => {
        this.saves += Number(saved);
        this.problem = null;
      },
      (problem) => {
        this.problem = problem;
        this.#options.onError(problem);
      },
    );
    return this.#last;
  }

  /** @param {boolean} evenIfSame @returns {Promise<boolean>} */
  async #save(evenIfSame) {
    if (this.#saver) return this.#saver.save(evenIfSame);
    await idle();
    const { bytes, version } = pictureOf(this.#state);
    if (version === this.#version && !evenIfSame) return false;
    await put(this.#options.name, bytes);
    this.#version = version;
    return true;
  }

  /** Save now, whether or not anything has changed; `problem` says how it went. */
  async now() {
    await this.#attempt(true);
  }

  /** No more after this. What is being saved this moment is finished. */
  async stop() {
    clearInterval(this.#timer);
    await this.#last;
    this.#saver?.stop();
  }
}

/** A snapshot, and what tells one from the next: its CRC covers when it was taken, so its content is compared without that. @param {State} state */
export function pictureOf(state) {
  const { bytes, length } = state.snapshot();
  const { version } = state.engine;
  const counters = [...state.counters.values()].map((counter) => counter.value).join();
  const gauges = [...state.gauges.values()].map((gauge) => gauge.value).join();
  return { bytes, version: [length, version, state.events.newest, counters, gauges].join(";") };
}
