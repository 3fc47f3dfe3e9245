/** Starts workers that do one job each on a region, and waits for what they report. */
import { Worker } from "node:worker_threads";

/** @typedef {import("corestate").State} State */

/** Milliseconds after which what has not come will not come: far longer than any machine at work needs. */
export const LONG = 120000;

export class Hand {
  /**
   * @param {string} job a function of jobs.mjs
   * @param {import("corestate").Handle} handle
   * @param {Record<string, any>} [options]
   */
  constructor(job, handle, options = {}) {
    this.worker = new Worker(new URL("./jobs.mjs", import.meta.url), { workerData: { job, handle, options } });
    /** @type {Promise<any>} What the job returned. */
    this.done = new Promise((resolve, reject) => {
      this.worker.on("message", (message) => "result" in message && resolve(message.result));
      this.worker.on("error", reject);
      this.worker.on("exit", () => reject(new Error(`${job} ended without a result`)));
    });
    this.done.catch(() => {}); // a test that terminates it does not wait for it
  }

  /** Resolved when the job says this word. @param {string} word */
  said(word) {
    return new Promise((resolve, reject) => {
      const hear = (/** @type {any} */ message) => message.said === word && resolve(undefined);
      this.worker.on("message", hear);
      this.worker.once("error", reject);
    });
  }

  /** As abruptly as a thread can end. */
  async kill() {
    await this.worker.terminate();
  }
}

/** @param {number} count @param {string} job @param {any} handle @param {Record<string, any>} [options] */
export function team(count, job, handle, options = {}) {
  return Array.from({ length: count }, (_, me) => new Hand(job, handle, { ...options, me, count }));
}

/** @param {Hand[]} hands @returns {Promise<any[]>} */
export const results = (hands) => Promise.all(hands.map((hand) => hand.done));
