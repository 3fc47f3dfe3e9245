/** Named counters (whole numbers of 64 bits) and gauges (f64), created on first use by whoever comes first. */
import { constants as C } from "../generated/abi.js";
import { check, errorOf, StaleError } from "./errors.js";
import { milliseconds, real, safe, signed, unsigned } from "./numbers.js";
import { COUNTERS } from "./reserved.js";
import { Named, Table } from "./table.js";

/** @typedef {import("./region.js").Region} Region */

/** A named counter: 0 to 2^64 - 1, atomic between all threads. */
export class Counter extends Named {
  #core = this.region.core;
  #exports = this.region.core.exports;

  /** @protected */
  get what() {
    return `counter ${JSON.stringify(this.name)}`;
  }

  /** What it stands at. BigInt. Two loads. */
  get value() {
    check(this.#exports.cs_counter_get(this.view, this.handle, this.#core.out), this.what);
    return this.#core.data.getBigUint64(this.#core.out, true);
  }

  /**
   * What it stands at, as a number, which is quicker to read and to reckon with. Two loads.
   * @throws {OutOfRangeError} it is beyond 2^53 - 1
   */
  get number() {
    const value = this.#exports.cs_wasm_counter_number(this.view, this.slot, this.generation);
    if (value < 0) throw new StaleError(this.what);
    return value <= Number.MAX_SAFE_INTEGER ? value : safe(value, this.what, "value");
  }

  /**
   * Add n, which may be negative; one atomic addition. Wakes who waits.
   * @param {number | bigint} [n]
   * @returns {bigint} the new value
   * @throws {OutOfRangeError} below zero or beyond 64 bits; nothing has changed
   */
  add(n = 1) {
    const { out } = this.#core;
    if (Number.isSafeInteger(n)) {
      const value = this.#exports.cs_wasm_counter_add(this.view, this.slot, this.generation, /** @type {number} */ (n), out);
      if (value < 0) throw errorOf(value, this.what, value === C.CS_E_RANGE ? { found: `adding ${n}` } : {});
      return value <= Number.MAX_SAFE_INTEGER ? BigInt(value) : this.#core.data.getBigUint64(out, true);
    }
    check(this.#exports.cs_counter_add(this.view, this.handle, signed(n, this.what), out), this.what, { found: `adding ${n}` });
    return this.#core.data.getBigUint64(out, true);
  }

  /** Set it, and wake who waits. @param {number | bigint} value */
  set(value) {
    check(this.#exports.cs_counter_set(this.view, this.handle, unsigned(value, this.what)), this.what);
  }

  /**
   * Set it if it is what is expected.
   * @param {number | bigint} expected
   * @param {number | bigint} desired
   * @returns {boolean} whether it was
   */
  compareExchange(expected, desired) {
    const { out, data } = this.#core;
    data.setBigUint64(out, unsigned(expected, this.what), true);
    const code = this.#exports.cs_counter_compare_exchange(this.view, this.handle, out, unsigned(desired, this.what));
    if (code === C.CS_E_MISMATCH) return false;
    check(code, this.what);
    return true;
  }

  /** @param {bigint} seen @returns {{call: (ns: bigint) => number, result: () => bigint, done: () => void}} */
  #waiting(seen) {
    const out = this.#core.allocate(8);
    return {
      call: (ns) => this.#exports.cs_counter_wait(this.view, this.handle, seen, ns, out),
      result: () => this.#core.data.getBigUint64(out, true),
      done: () => this.#core.free(out),
    };
  }

  /**
   * The value as soon as it is not `changedFrom`.
   * @param {number | bigint} changedFrom
   * @param {{timeout?: number}} [options] milliseconds; none: without bound
   * @returns {Promise<bigint>}
   * @throws {WaitTimeoutError | StaleError | ClosedError}
   */
  async wait(changedFrom, { timeout } = {}) {
    const { call, result, done } = this.#waiting(unsigned(changedFrom, this.what));
    try {
      check(await this.#core.wait(call, milliseconds(timeout)), this.what);
      return result();
    } finally {
      done();
    }
  }

  /** The same, asleep; in workers only. @param {number | bigint} changedFrom @param {{timeout?: number}} [options] @returns {bigint} */
  waitSync(changedFrom, { timeout } = {}) {
    const { call, result, done } = this.#waiting(unsigned(changedFrom, this.what));
    try {
      check(this.#core.waitSync(call, milliseconds(timeout), this.what), this.what);
      return result();
    } finally {
      done();
    }
  }
}

/** A named gauge: a number, atomic between all threads. NaN is refused. */
export class Gauge extends Named {
  #core = this.region.core;
  #exports = this.region.core.exports;

  /** @protected */
  get what() {
    return `gauge ${JSON.stringify(this.name)}`;
  }

  /** What it stands at. Two loads. */
  get value() {
    const value = this.#exports.cs_wasm_gauge_number(this.view, this.slot, this.generation);
    return Number.isNaN(value) ? this.#exactly() : value;
  }

  /** NaN means that the handle is stale, unless somebody wrote one into the bytes. */
  #exactly() {
    const code = this.#exports.cs_gauge_get(this.view, this.handle, this.#core.out);
    if (code < 0) throw errorOf(code, this.what);
    return this.#core.data.getFloat64(this.#core.out, true);
  }

  /** Add n; returns the new value. @param {number} [n] */
  add(n = 1) {
    check(this.#exports.cs_gauge_add(this.view, this.handle, real(n, this.what), this.#core.out), this.what);
    return this.#core.data.getFloat64(this.#core.out, true);
  }

  /** Set it, and wake who waits. @param {number} value */
  set(value) {
    check(this.#exports.cs_gauge_set(this.view, this.handle, real(value, this.what)), this.what);
  }

  /** Set it if it is what is expected, bit for bit. @param {number} expected @param {number} desired @returns {boolean} whether it was */
  compareExchange(expected, desired) {
    const { out, data } = this.#core;
    data.setFloat64(out, real(expected, this.what), true);
    const code = this.#exports.cs_gauge_compare_exchange(this.view, this.handle, out, real(desired, this.what));
    if (code === C.CS_E_MISMATCH) return false;
    check(code, this.what);
    return true;
  }

  /**
   * The value as soon as it is not `changedFrom`, bit for bit.
   * @param {number} changedFrom
   * @param {{timeout?: number}} [options] milliseconds; none: without bound
   * @returns {Promise<number>}
   */
  async wait(changedFrom, { timeout } = {}) {
    const seen = real(changedFrom, this.what);
    const out = this.#core.allocate(8);
    try {
      const call = (/** @type {bigint} */ ns) => this.#exports.cs_gauge_wait(this.view, this.handle, seen, ns, out);
      check(await this.#core.wait(call, milliseconds(timeout)), this.what);
      return this.#core.data.getFloat64(out, true);
    } finally {
      this.#core.free(out);
    }
  }
}

/** `state.counters`. @extends {Table<Counter>} */
export class Counters extends Table {
  /** @param {Region} region */
  constructor(region) {
    super(region, C.CS_SECTION_COUNTERS, "counter", (handle, name) => new Counter(region, handle, name), COUNTERS);
  }
}

/** `state.gauges`. @extends {Table<Gauge>} */
export class Gauges extends Table {
  /** @param {Region} region */
  constructor(region) {
    super(region, C.CS_SECTION_GAUGES, "gauge", (handle, name) => new Gauge(region, handle, name));
  }
}
