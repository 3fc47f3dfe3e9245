/** Waiting for a word of memory without keeping the thread from its other work. */

/** Where Atomics.waitAsync is missing: shorter than a frame for who waits, rarely for who only keeps an eye on something. */
const POLL_MS = 4;
const RARELY_MS = 250;

/** Promises of the platform, typed: not every library of types has them yet. */
const waitAsync = /** @type {((words: Int32Array, index: number, value: number, ms?: number) =>
  {async: boolean, value: Promise<string> | string}) | undefined} */ (/** @type {any} */ (Atomics).waitAsync);

/** @param {number} ms @param {boolean} keepAlive whether node must not end meanwhile */
function timer(ms, keepAlive) {
  let id = /** @type {any} */ (undefined);
  const done = new Promise((resolve) => (id = setTimeout(resolve, Math.min(ms, 0x7fffffff))));
  if (!keepAlive) id.unref?.();
  return { done, stop: () => clearTimeout(id) };
}

/**
 * Resolved when a word of shared memory was written and notified, or is not `value`, or the time has passed.
 * @param {Int32Array} words
 * @param {number} index
 * @param {number} value
 * @param {number} ms
 * @param {{keepAlive?: boolean}} [options]
 */
export async function wordChanged(words, index, value, ms, { keepAlive = true } = {}) {
  if (!waitAsync) {
    const { done } = timer(Math.min(ms, keepAlive ? POLL_MS : RARELY_MS), keepAlive);
    await done;
    return;
  }
  const waiting = ms === Infinity ? waitAsync(words, index, value) : waitAsync(words, index, value, ms);
  if (!waiting.async) return;
  if (!keepAlive) {
    await waiting.value;
    return;
  }
  const { done, stop } = timer(ms, true); // node does not count such a wait as something to stay alive for
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
    const { done, stop } = timer(ms, true);
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
