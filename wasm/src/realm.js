/**
 * A realm is what lives and dies as one: a page, a worker. Each has a number that its instances' seats carry, and a sign
 * of life that ends with it: in a browser an exclusive Web Lock, in node the end of its thread. Whoever has a free
 * event loop hears of an end and buries the realm in every memory it shares with it; those who are blocked see that
 * at their next look.
 */

/** @typedef {{bury(realm: number): void, realms(): number[], arrivals(): Promise<void>, closed: boolean}} Watched */

const LOCK = "corestate realm ";
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

/** node's worker_threads, or null elsewhere. @returns {typeof import("node:worker_threads") | null} */
function workerThreads() {
  const here = /** @type {any} */ (globalThis).process;
  if (!here?.versions?.node) return null;
  return here.getBuiltinModule?.("node:worker_threads") ?? null;
}

const threads = workerThreads();
const locks = threads ? null : (globalThis.navigator?.locks ?? null);

class Realm {
  /** Its number without PLEDGED. */
  #bare = threads ? threads.threadId + 1 : 0;
  #pledged = threads !== null;
  /** @type {Promise<void>} Resolved when its sign of life can be seen, or it is known that there is none. */
  ready;

  constructor() {
    if (threads) this.#watchThreads();
    else this.#bare = this.#draw();
    this.ready = locks ? this.#pledge(locks) : Promise.resolve();
  }

  /** The number for a seat taken now. */
  get number() {
    return (this.#pledged ? this.#bare | PLEDGED : this.#bare) >>> 0;
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
    process.on("worker", (/** @type {import("node:worker_threads").Worker} */ worker) => watchWorker(worker));
  }

  /** Bury whoever shares this memory and dies. @param {Watched} memory */
  watch(memory) {
    watched.add(memory);
    for (const number of memory.realms()) if (dead.has(number & ~PLEDGED)) bury(number);
    if (locks) void this.#follow(memory, locks);
  }

  /** @param {Watched} memory */
  unwatch(memory) {
    watched.delete(memory);
  }

  /** Wait for every other realm's lock: who gets it knows that its holder is gone. @param {Watched} memory @param {LockManager} manager */
  async #follow(memory, manager) {
    /** @type {Set<number>} */
    const known = new Set();
    while (!memory.closed) {
      const arrival = memory.arrivals();
      for (const number of memory.realms()) {
        if (this.isMine(number) || known.has(number)) continue;
        known.add(number);
        void this.#outlive(number, memory, manager);
      }
      await arrival;
    }
  }

  /** @param {number} number @param {Watched} memory @param {LockManager} manager */
  async #outlive(number, memory, manager) {
    const name = LOCK + (number & ~PLEDGED);
    // One that could not wait for its lock before it took a seat may not have it yet.
    while (!(number & PLEDGED) && !(await isHeld(manager, name))) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      if (memory.closed) return;
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
 * @param {import("node:worker_threads").Worker} worker that still runs
 */
export function watchWorker(worker) {
  const number = worker.threadId + 1;
  if (threads && number > 0) worker.once("exit", () => bury(number));
}
