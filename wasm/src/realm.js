/**
 * A realm is what lives and dies as one: a page, a worker. Each has a number that its instances' seats carry, and a sign
 * of life that ends with it: in a browser an exclusive Web Lock, in node the end of its thread. Whoever has a free
 * event loop hears of an end and buries the realm in every memory it shares with it; those who are blocked see that
 * at their next look.
 */

/**
 * A memory whose seats are watched over.
 * @typedef {{id: string, bury(realm: number): void, realms(): number[]}} Watched
 */

const LOCK = "corestate realm ";
/** Where whoever takes a seat says in which memory. */
const CHANNEL = "corestate arrivals";
/** Set in a realm's number when its sign of life was there before the number was shown to anybody. */
const PLEDGED = 0x80000000;
const LOOK_AGAIN_MS = 250;

/** @type {Set<Watched>} */
const watched = new Set();
/** @type {Set<number>} */
const dead = new Set();

/** @param {number} number of a realm, pledged or not */
function bury(number) {
  const bare = number & ~PLEDGED;
  dead.add(bare);
  for (const one of watched) {
    one.bury(bare);
    one.bury((bare | PLEDGED) >>> 0);
  }
}

/** node's worker_threads, or null elsewhere. @returns {{threadId: number} | null} */
function workerThreads() {
  const here = /** @type {any} */ (globalThis).process;
  if (!here?.versions?.node) return null;
  return here.getBuiltinModule?.("node:worker_threads") ?? null;
}

const threads = workerThreads();
const locks = threads ? null : (globalThis.navigator?.locks ?? null);
const channel = locks && typeof BroadcastChannel !== "undefined" ? new BroadcastChannel(CHANNEL) : null;

class Realm {
  /** Its number without PLEDGED. */
  #bare = threads ? threads.threadId + 1 : 0;
  #pledged = threads !== null;
  /** @type {Promise<void>} Resolved when its sign of life can be seen, or it is known that there is none. */
  ready;
  /** Other realms whose end is being waited for. @type {Set<number>} */
  #followed = new Set();

  constructor() {
    if (threads) this.#watchThreads();
    else this.#bare = this.#draw();
    this.ready = locks ? this.#pledge(locks) : Promise.resolve();
    if (channel) channel.onmessage = ({ data }) => this.#look(data);
  }

  /** The number for a seat taken now. */
  get number() {
    return (this.#pledged ? this.#bare | PLEDGED : this.#bare) >>> 0;
  }

  /** Whether ends are heard of at all. */
  get watches() {
    return threads !== null || locks !== null;
  }

  /** @param {number} number */
  isMine(number) {
    return (number & ~PLEDGED) === this.#bare;
  }

  #draw() {
    return (crypto.getRandomValues(new Uint32Array(1))[0] & ~PLEDGED) || 1;
  }

  /** Take the lock that this realm's number names, under another number if somebody has it. @param {LockManager} manager */
  async #pledge(manager) {
    try {
      while (!(await this.#hold(manager))) this.#bare = this.#draw();
      this.#pledged = true;
    } catch {
      // An origin without storage has no locks either: then nobody can tell whether this realm lives.
    }
  }

  /** @param {LockManager} manager @returns {Promise<boolean>} whether it is held now, for as long as this realm lives */
  #hold(manager) {
    return new Promise((resolve, reject) => {
      const held = manager.request(LOCK + this.#bare, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock ? new Promise(() => {}) : undefined;
      });
      held.catch(reject);
    });
  }

  #watchThreads() {
    // Workers made before this module was loaded are told of with watchWorker().
    process.on("worker", (worker) => watchWorker(worker));
  }

  /** Bury whoever shares this memory and dies; called with a seat in it. @param {Watched} memory */
  watch(memory) {
    watched.add(memory);
    for (const number of memory.realms()) if (dead.has(number & ~PLEDGED)) bury(number);
    this.#look(memory.id);
    channel?.postMessage(memory.id);
  }

  /** @param {Watched} memory */
  unwatch(memory) {
    watched.delete(memory);
  }

  /** Somebody may have come to this memory. @param {unknown} id */
  #look(id) {
    for (const memory of watched) {
      if (memory.id !== id || !locks) continue;
      for (const number of memory.realms()) {
        if (this.isMine(number) || this.#followed.has(number)) continue;
        this.#followed.add(number);
        void this.#outlive(number, locks);
      }
    }
  }

  /** Ask for a realm's lock: who gets it knows that its holder is gone. @param {number} number @param {LockManager} manager */
  async #outlive(number, manager) {
    const name = LOCK + (number & ~PLEDGED);
    // One that could not wait for its lock before it took a seat may not have it yet.
    while (!(number & PLEDGED) && !(await isHeld(manager, name))) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      if (![...watched].some((memory) => memory.realms().includes(number))) {
        this.#followed.delete(number); // it has gone as it should
        return;
      }
    }
    await manager.request(name, () => bury(number));
  }
}

/** @param {LockManager} manager @param {string} name */
async function isHeld(manager, name) {
  const { held = [] } = await manager.query();
  return held.some((lock) => lock.name === name);
}

/** This page or worker. */
export const realm = new Realm();

/**
 * In node: hear of the end of a worker. Workers that this thread starts after corestate was loaded are watched anyway; this
 * is for those it started before. In a browser there is nothing to do, and this does nothing.
 * @param {{threadId: number, once(event: "exit", hear: () => void): unknown}} worker of node's worker_threads, that still runs
 */
export function watchWorker(worker) {
  const number = worker.threadId + 1;
  if (threads && number > 0) worker.once("exit", () => bury(number));
}
