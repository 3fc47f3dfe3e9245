/** What tables of named things have in common: a mapping from name to object, read from the region at each use. */
import { constants as C } from "../generated/abi.js";
import { check, errorOf, NameInvalidError, NotFoundError, ReadOnlyError, WrongTypeError } from "./errors.js";
import { isWhole } from "./text.js";

/** @typedef {import("./region.js").Region} Region */
/** @typedef {"counter" | "gauge" | "area" | "lock"} Word */

const NAME_BYTES = C.CS_NAME_MAX + 1;

/**
 * A name in the core's scratch space; whether it is too long for its table the core says.
 * @param {Region} region
 * @param {string} name
 * @param {string} what
 * @returns {number} its length in bytes
 */
export function putName(region, name, what) {
  if (typeof name !== "string") throw new WrongTypeError(what, { expected: "a string", found: `${String(name)} (${typeof name})` });
  if (!isWhole(name)) throw new NameInvalidError(what, { found: "half a surrogate pair, which has no UTF-8" });
  return region.core.putName(name);
}

/** Something with a name and a place in a table. It stands for what had the name when it was looked up. */
export class Named {
  /** @param {Region} region @param {bigint} handle @param {string} name */
  constructor(region, handle, name) {
    /** @protected */ this.region = region;
    /** @protected */ this.handle = handle;
    /** @protected Its halves, which cost less to pass. */ this.slot = Number(handle & 0xffffffffn);
    /** @protected */ this.generation = Number(handle >> 32n);
    /** Its name. */
    this.name = name;
  }

  /** @protected */
  get view() {
    return this.region.view || this.region.gone();
  }
}

/**
 * A mapping from names to what a region holds under them. `get` creates on first use, by whoever comes first; `find`, `has`
 * and iteration never create. What the durable parts of Python have there (`corestate:...`) is not listed. Look-ups take no lock.
 * @template T
 */
export class Table {
  /** @protected @type {Region} */ region;
  #table;
  #word;
  #make;
  #hidden;

  /**
   * @param {Region} region
   * @param {number} table
   * @param {Word} word
   * @param {(handle: bigint, name: string) => T} make
   * @param {readonly string[]} [hidden] names of the durable parts, which are looked up like any other and not listed
   */
  constructor(region, table, word, make, hidden = []) {
    this.region = region;
    this.#table = table;
    this.#word = word;
    this.#make = make;
    this.#hidden = hidden;
  }

  /** @protected */
  get view() {
    return this.region.view || this.region.gone();
  }

  /** @protected @param {string} name @returns {bigint | null} */
  handleOf(name) {
    const { core } = this.region;
    const length = putName(this.region, name, this.#word);
    const code = core.exports[`cs_${this.#word}_find`](this.view, core.scratch, length, core.out);
    if (code === C.CS_E_NOT_FOUND) return null;
    check(code, `${this.#word} ${JSON.stringify(name)}`);
    return core.data.getBigUint64(core.out, true);
  }

  /**
   * What has this name, created if need be.
   * @param {string} name
   * @returns {T}
   * @throws {NameInvalidError | FullError | ReadOnlyError | ClosedError} ReadOnlyError: it is not there and cannot be made
   */
  get(name) {
    const { core } = this.region;
    const length = putName(this.region, name, this.#word);
    const view = this.view;
    const code = core.soon(() => core.exports[`cs_${this.#word}_open`](view, core.scratch, length, core.out));
    if (code < 0) throw errorOf(code, `${this.#word} ${JSON.stringify(name)}`);
    return this.#make(core.data.getBigUint64(core.out, true), name);
  }

  /** What has this name, or undefined; never creates. @param {string} name @returns {T | undefined} */
  find(name) {
    const handle = this.handleOf(name);
    return handle === null ? undefined : this.#make(handle, name);
  }

  /** @param {string} name */
  has(name) {
    return this.handleOf(name) !== null;
  }

  /**
   * Remove it, for everybody. Objects that stand for it throw StaleError from now on.
   * @param {string} name
   * @throws {NotFoundError | ReadOnlyError | BusyError} BusyError: its lock is held by somebody alive
   */
  delete(name) {
    const { core } = this.region;
    const handle = this.handleOf(name);
    const what = `removing ${this.#word} ${JSON.stringify(name)}`;
    if (handle === null) throw new NotFoundError(what);
    if (this.region.mode === "r") throw new ReadOnlyError(what);
    const view = this.view;
    const code = core.soon(() => core.exports[`cs_${this.#word}_remove`](view, handle));
    if (code === C.CS_E_STALE) throw new NotFoundError(what);
    check(code, what);
  }

  /** How many there are. */
  get size() {
    const { core } = this.region;
    check(core.exports.cs_names_count(this.view, this.#table, core.out), this.#word);
    const count = core.data.getUint32(core.out, true);
    return count && Math.max(0, count - this.#hidden.filter((name) => this.has(name)).length);
  }

  /** Handle and name of each that is listed. @protected @returns {Generator<[bigint, string]>} */
  *walk() {
    const { core } = this.region;
    const space = core.allocate(NAME_BYTES + 24); // cursor, handle, length, then the name
    try {
      for (;;) {
        const code = core.exports.cs_names_next(this.view, this.#table, space, space + 8, space + 24, space + 16);
        if (code === C.CS_E_NOT_FOUND) return;
        check(code, this.#word);
        const { data } = core;
        const name = core.text(space + 24, Math.min(data.getUint32(space + 16, true), NAME_BYTES));
        if (!this.#hidden.includes(name)) yield [data.getBigUint64(space + 8, true), name];
      }
    } finally {
      core.free(space);
    }
  }

  /** Their names. @returns {Generator<string>} */
  *keys() {
    for (const [, name] of this.walk()) yield name;
  }

  /** @returns {Generator<T>} */
  *values() {
    for (const [handle, name] of this.walk()) yield this.#make(handle, name);
  }

  /** @returns {Generator<[string, T]>} */
  *entries() {
    for (const [handle, name] of this.walk()) yield [name, this.#make(handle, name)];
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}
