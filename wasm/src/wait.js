/** Waiting for a word of memory without keeping the thread from its other work. */

/** Where Atomics.waitAsync is missing: shorter than a frame. */
const POLL_MS = 4;

/** Promises of the platform, typed: not every library of types has them yet. */
const waitAsync = /** @type {((words: Int32Array, index: number, value: number, ms?: number) =>
  {async: boolean, value: Promise<string> | string}) | undefined} */ (/** @type {any} */ (Atomics).waitAsync);

/** @param {number} ms */
function timer(ms) {
  let id = /** @type {any} */ (undefined);
  const done = new Promise((resolve) => (id = setTimeout(resolve, Math.min(ms, 0x7fffffff))));
  return { done, stop: () => clearTimeout(id) };
}

/**
 * Resolved when a word of shared memory was written and notified, or is not `value`, or the time has passed.
 * @param {Int32Array} words
 * @param {number} index
 * @param {number} value
 * @param {number} ms
 */
export async function wordChanged(words, index, value, ms) {
  if (!waitAsync) {
    await timer(Math.min(ms, POLL_MS)).done;
    return;
  }
  const waiting = waitAsync(words, index, value, ms);
  if (!waiting.async) return;
  const { done, stop } = timer(ms); // node does not count such a wait as something to stay alive for
  await Promise.race([waiting.value, done]);
  stop();
}

/** Those who wait for words of a memory that only this thread has. */
export class Woken {
  /** @type {Map<number, Set<() => void>>} */
  #waiting = new Map();

  /**
   * @param {number} word its address
   * @param {() => boolean} unchanged
   * @param {number} ms
   */
  async wait(word, unchanged, ms) {
    if (!unchanged()) return;
    const { done, stop } = timer(ms);
    const { promise, resolve } = deferred();
    const waiting = this.#waiting.get(word) ?? new Set();
    this.#waiting.set(word, waiting.add(resolve));
    await Promise.race([done, promise]);
    stop();
    waiting.delete(resolve);
    if (!waiting.size) this.#waiting.delete(word);
  }

  /** @param {number} word */
  wake(word) {
    for (const resolve of this.#waiting.get(word) ?? []) resolve();
  }

  all() {
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve();
  }
}

function deferred() {
  /** @type {() => void} */
  let resolve = () => {};
  const promise = /** @type {Promise<void>} */ (new Promise((done) => (resolve = done)));
  return { promise, resolve };
}
