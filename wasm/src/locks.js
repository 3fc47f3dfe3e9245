/** Locks between threads that survive their holders. */
import { constants as C } from "../generated/abi.js";
import { check, errorOf, WaitTimeoutError } from "./errors.js";
import { sizeOf } from "./instance.js";
import { milliseconds } from "./numbers.js";
import { LOCKS } from "./reserved.js";
import { Named, Table } from "./table.js";

/** @typedef {import("./region.js").Region} Region */

/**
 * A lock. It is held by a page or worker, not by one of its tasks: asking again for what is held here already is a
 * DeadlockError. When its holder dies, the next who asks takes it over; `inherited` is then true until it is
 * released, because what the lock guards may be half done, and everybody gets a `lock_inherited` event.
 */
export class Lock extends Named {
  #table;

  /** @param {Region} region @param {bigint} handle @param {string} name @param {number} [table] */
  constructor(region, handle, name, table = C.CS_SECTION_LOCKS) {
    super(region, handle, name);
    this.#table = table;
  }

  get #what() {
    return `lock ${JSON.stringify(this.name)}`;
  }

  /** Try once. @returns {boolean} whether it was taken */
  tryAcquire() {
    const code = this.region.core.exports.cs_lock_try(this.view, this.#table, this.handle);
    if (code === C.CS_E_BUSY) return false;
    check(code, this.#what);
    return true;
  }

  #call() {
    return (/** @type {bigint} */ ns) => this.region.core.exports.cs_lock_acquire(this.view, this.#table, this.handle, ns);
  }

  /**
   * Take the lock.
   * @param {{timeout?: number}} [options] milliseconds; none: without bound
   * @returns {Promise<this>} the lock, to be released
   * @throws {WaitTimeoutError | DeadlockError | StaleError | ReadOnlyError | ClosedError}
   */
  async acquire({ timeout } = {}) {
    check(await this.region.core.wait(this.#call(), milliseconds(timeout)), this.#what);
    return this;
  }

  /** The same, asleep; in workers only. @param {{timeout?: number}} [options] @returns {this} */
  acquireSync({ timeout } = {}) {
    const code = this.region.core.waitSync(this.#call(), milliseconds(timeout), this.#what);
    if (code === C.CS_E_BUSY) throw new WaitTimeoutError(this.#what);
    check(code, this.#what);
    return this;
  }

  /** Let go; wakes one who waits. @throws {NotOwnerError | StaleError} */
  release() {
    check(this.region.core.exports.cs_lock_release(this.view, this.#table, this.handle), `releasing ${this.#what}`);
  }

  /**
   * Run something while holding the lock.
   * @template T
   * @param {(lock: this) => T | Promise<T>} work
   * @param {{timeout?: number}} [options]
   * @returns {Promise<T>} what it returned
   */
  async use(work, options) {
    await this.acquire(options);
    try {
      return await work(this);
    } finally {
      this.release();
    }
  }

  #info() {
    const { core } = this.region;
    const info = core.allocate(sizeOf("cs_lock_info"));
    const code = core.exports.cs_lock_get(this.view, this.#table, this.handle, info);
    const found = core.read("cs_lock_info", info);
    core.free(info);
    if (code < 0) throw errorOf(code, this.#what);
    return found;
  }

  /** Whether anybody holds it, dead or alive. */
  get locked() {
    return this.#info().holder !== 0;
  }

  /** Participant id of its holder, 0 when it is free. @returns {number} */
  get holder() {
    return this.#info().holder;
  }

  /** Whether its present holder took it over from one that died while holding it. */
  get inherited() {
    return this.#info().inherited !== 0;
  }

  /** Whether it is held here. */
  get mine() {
    return this.#info().mine !== 0;
  }
}

/** `state.locks`. @extends {Table<Lock>} */
export class Locks extends Table {
  /** @param {Region} region */
  constructor(region) {
    super(region, C.CS_SECTION_LOCKS, "lock", (handle, name) => new Lock(region, handle, name), LOCKS);
  }
}
