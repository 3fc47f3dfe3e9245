/** The event log: many producers, any number of readers, one order. */
import { constants as C } from "../generated/abi.js";
import { decodeChange } from "./changes.js";
import { check, ClosedError, errorOf, InvalidError, TooBigError } from "./errors.js";
import { offsetOf, sizeOf } from "./instance.js";
import { milliseconds, safe, unsigned } from "./numbers.js";
import { pack, putWhole, takeWhole, Undecodable, unpack } from "./payload.js";
import { putName } from "./table.js";

/** @typedef {import("./region.js").Region} Region */
/**
 * Something that happened.
 * @typedef {object} Event
 * @property {number} sequence its place in the one order that everybody sees, from 1; a number, exact up to 2^53 - 1
 * @property {bigint} timeNs when it was published, in ns since the epoch
 * @property {string} kind a built-in kind such as "agent_registered", or a user's
 * @property {number} source id of the participant that published it, 0 where unknown
 * @property {any} data what was published; for built-in kinds an object, see docs/browser.md
 */

const EVENT = sizeOf("cs_event");
const AT = Object.fromEntries(["sequence", "time_ns", "kind", "source", "format", "length"].map((name) => [name, offsetOf("cs_event", name)]));
const BATCH = 64;
/** What putWhole() writes at most. */
const WHOLE_BYTES = 5;

/** @param {unknown} data @returns {data is number} whether putWhole() takes it */
const isSmall = (data) => typeof data === "number" && (data | 0) === data && data >= 0 && !Object.is(data, -0);

/** Kinds by name and by number; a kind once interned keeps its number for as long as the region lives. */
class Kinds {
  #region;
  /** @type {Map<string, number>} */
  #numbers = new Map();
  /** @type {Map<number, string>} */
  #names = new Map();

  /** @param {Region} region */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} name @param {boolean} intern @returns {number | undefined} */
  number(name, intern) {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const { core } = this.#region;
    const view = this.#region.view || this.#region.gone();
    const length = putName(this.#region, name, "event kind");
    const call = intern ? core.exports.cs_kind_open : core.exports.cs_kind_find;
    const code = core.soon(() => call(view, core.scratch, length, core.out));
    if (code === C.CS_E_NOT_FOUND) return undefined;
    check(code, `event kind ${JSON.stringify(name)}`);
    const number = core.data.getUint32(core.out, true);
    this.#numbers.set(name, number);
    return number;
  }

  /** @param {number} number @returns {string} */
  name(number) {
    const known = this.#names.get(number);
    if (known !== undefined) return known;
    const { core } = this.#region;
    const code = core.exports.cs_kind_name(this.#region.view || this.#region.gone(), number, core.scratch, core.out);
    if (code < 0) return `kind-${number}`;
    const name = core.text(core.scratch, core.data.getUint32(core.out, true));
    this.#names.set(number, name);
    return name;
  }
}

/**
 * A place in the log, and the events from there on: each once, in order, or counted as lost. `for await` waits for ever,
 * without keeping the thread from its other work; `for` waits asleep, in workers only. Both end with `close()`.
 * @implements {AsyncIterable<Event>}
 * @implements {Iterable<Event>}
 */
export class Subscription {
  #region;
  #kinds;
  #place;
  #bitmap = 0;
  #rows;
  #rowBytes;
  /** @type {Event[]} */
  #ready = [];
  /** @type {Set<string> | null} Kinds wanted that have no number yet, so that all are taken and the others left out here. */
  #wanted = null;
  #closed = false;
  /** Whether the last batch was full. */
  #full = false;
  /** Rows taken so far, wanted or not. */
  #taken = 0;

  /**
   * @param {Region} region
   * @param {Kinds} kinds
   * @param {string[] | null} wanted
   * @param {bigint} since
   */
  constructor(region, kinds, wanted, since) {
    const { core, config } = region;
    this.#region = region;
    this.#kinds = kinds;
    const view = region.view || region.gone();
    const numbers = wanted && wanted.map((name) => kinds.number(name, region.mode === "rw"));
    this.#place = core.allocate(sizeOf("cs_subscription"));
    this.#rowBytes = EVENT + config.eventBytes;
    this.#rows = core.allocate(BATCH * this.#rowBytes);
    check(core.exports.cs_subscribe(view, this.#place, since), "subscribing");
    if (numbers?.every((number) => number !== undefined)) this.#filter(/** @type {number[]} */ (numbers));
    else if (wanted) this.#wanted = new Set(wanted);
  }

  /** @param {number[]} numbers */
  #filter(numbers) {
    const { core } = this.#region;
    const bits = Math.max(...numbers) + 1;
    this.#bitmap = core.allocate(Math.ceil(bits / 32) * 4);
    for (const number of numbers) {
      const at = this.#bitmap + 4 * (number >>> 5);
      core.data.setUint32(at, core.data.getUint32(at, true) | (1 << (number & 31)), true);
    }
    core.write("cs_subscription", this.#place, { kinds: this.#bitmap, kind_bits: bits });
  }

  get #view() {
    if (this.#closed) throw new ClosedError("subscription", { expected: "an open one", advice: "subscribe again" });
    return this.#region.view || this.#region.gone();
  }

  /** @param {string} field @returns {bigint} */
  #field(field) {
    void this.#view;
    return this.#region.core.u64("cs_subscription", this.#place, field);
  }

  /** Take what is there, at most a batch. @param {number} most @returns {Event[]} */
  #take(most) {
    const { core } = this.#region;
    const view = this.#view;
    const capacity = Math.min(most, BATCH);
    const code = core.exports.cs_events_drain(view, this.#place, this.#rows, this.#rowBytes, capacity, core.out);
    if (code < 0) throw errorOf(code, "taking events");
    const count = core.data.getUint32(core.out, true);
    this.#full = count === capacity;
    this.#taken += count;
    const found = [];
    for (let i = 0; i < count; i++) {
      const event = this.#event(this.#rows + i * this.#rowBytes);
      if (!this.#wanted || this.#wanted.has(event.kind)) found.push(event);
    }
    return found;
  }

  /** @param {number} row @returns {Event} */
  #event(row) {
    const { core } = this.#region;
    const { data } = core;
    const kind = data.getUint32(row + AT.kind, true);
    return {
      sequence: data.getUint32(row + AT.sequence, true) + data.getUint32(row + AT.sequence + 4, true) * 2 ** 32,
      timeNs: data.getBigUint64(row + AT.time_ns, true),
      kind: this.#kinds.name(kind),
      source: data.getUint32(row + AT.source, true),
      data: this.#data(row, kind, data.getUint32(row + AT.format, true), data.getUint32(row + AT.length, true)),
    };
  }

  /** @param {number} row @param {number} kind @param {number} format @param {number} length */
  #data(row, kind, format, length) {
    if (format === C.CS_FORMAT_NONE) return null;
    const { core } = this.#region;
    if (format === C.CS_FORMAT_MSGPACK) {
      const whole = takeWhole(core.data, row + EVENT, length);
      return whole < 0 ? unpack(core.copy(row + EVENT, length)) : whole;
    }
    const bytes = core.copy(row + EVENT, length);
    if (format === C.CS_FORMAT_BYTES) return bytes;
    return format === C.CS_FORMAT_CHANGE ? decodeChange(core, kind, bytes) : new Undecodable(bytes);
  }

  // -- taking events ---------------------------------------------------------------------------

  /** Every event there is now, at most `limit`; never waits. @param {number} [limit] @returns {Event[]} */
  drain(limit = Infinity) {
    if (this.#ready.length) {
      const first = this.#ready.splice(0, Math.min(limit, this.#ready.length));
      return first.length < limit ? first.concat(this.drain(limit - first.length)) : first;
    }
    const last = this.#taken + this.#region.config.events;
    const found = this.#take(limit);
    // A full batch: there may be more. As much as the ring holds, at most: producers may be quicker than this.
    const most = Math.min(limit, this.#region.config.events);
    while (this.#full && found.length < most && this.#taken < last)
      for (const event of this.#take(most - found.length)) found.push(event);
    return found;
  }

  /** @returns {Event | undefined} */
  #next() {
    if (!this.#ready.length) this.#ready = this.#take(BATCH);
    return this.#ready.shift();
  }

  /** @param {bigint} ns */
  #waiting = (ns) => this.#region.core.exports.cs_events_wait(this.#view, this.#place, ns);

  #sweep = () => {
    if (this.#region.mode === "rw" && this.#region.view) this.#region.core.exports.cs_sweep(this.#region.view);
  };

  /**
   * The next event, waiting for it.
   * @param {{timeout?: number}} [options] milliseconds; none: without bound; 0: not at all
   * @returns {Promise<Event | null>} null when the time has passed
   */
  async get({ timeout } = {}) {
    const most = milliseconds(timeout);
    const deadline = performance.now() + most;
    for (;;) {
      const event = this.#next();
      if (event) return event;
      const left = deadline - performance.now();
      if (most === 0 || left <= 0) return null;
      const code = await this.#region.core.wait(this.#waiting, left, this.#sweep);
      if (code === C.CS_E_TIMEOUT) return this.#next() ?? null;
      check(code, "waiting for an event");
    }
  }

  /** The same, asleep; in workers only. @param {{timeout?: number}} [options] @returns {Event | null} */
  getSync({ timeout } = {}) {
    const most = milliseconds(timeout);
    const deadline = performance.now() + most;
    for (;;) {
      const event = this.#next();
      if (event) return event;
      const left = Math.max(0, deadline - performance.now());
      if (left === 0) return null;
      const code = this.#region.core.waitSync(this.#waiting, left, "waiting for an event");
      if (code === C.CS_E_TIMEOUT) return this.#next() ?? null;
      check(code, "waiting for an event");
    }
  }

  async *[Symbol.asyncIterator]() {
    while (!this.#closed) {
      try {
        yield /** @type {Event} */ (await this.get());
      } catch (problem) {
        if (this.#closed) return;
        throw problem;
      }
    }
  }

  *[Symbol.iterator]() {
    while (!this.#closed) yield /** @type {Event} */ (this.getSync());
  }

  // -- what was missed -------------------------------------------------------------------------

  /** How many events, of any kind, were overwritten before this subscription came to them. */
  get lost() {
    return Number(this.#field("lost"));
  }

  /** First and last sequence of the most recent loss; null when nothing was lost. @returns {[number, number] | null} */
  get lastLoss() {
    return this.lost ? [Number(this.#field("lost_from")), Number(this.#field("lost_to"))] : null;
  }

  /** How many positions had no event, because their producer died or stood still before it was done. */
  get holes() {
    return Number(this.#field("holes"));
  }

  /** The sequence this subscription has come to: give it as `since` to carry on from here. */
  get position() {
    return this.#ready.length ? this.#ready[0].sequence - 1 : Number(this.#field("next")) - 1;
  }

  get closed() {
    return this.#closed;
  }

  /** End it: iteration stops. Idempotent. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#region.view) return; // its memory went with the region
    for (const address of [this.#place, this.#rows, this.#bitmap]) this.#region.core.free(address);
  }

  [Symbol.dispose]() {
    this.close();
  }
}

/** `state.events`: publish, and subscribe to what others publish. */
export class Events {
  #region;
  #kinds;
  #space = 0;

  /** @param {Region} region */
  constructor(region) {
    this.#region = region;
    this.#kinds = new Kinds(region);
  }

  /**
   * Publish an event. When this returns, everybody can read it. Lock-free; never blocks.
   * @param {string} kind a name of your own, interned at its first use
   * @param {unknown} [data] undefined or null, a Uint8Array (which stays bytes), or what MessagePack can carry; up to
   *   `config.eventBytes`
   * @returns {number} its sequence
   * @throws {TooBigError | WrongTypeError | InvalidError | NameInvalidError | FullError | ReadOnlyError | ClosedError}
   */
  publish(kind, data) {
    const { core, config } = this.#region;
    const view = this.#region.view || this.#region.gone();
    const number = /** @type {number} */ (this.#kinds.number(kind, true));
    let format = C.CS_FORMAT_NONE;
    let length = 0;
    if (data !== undefined && data !== null) {
      this.#space ||= core.allocate(Math.max(config.eventBytes, WHOLE_BYTES));
      format = data instanceof Uint8Array ? C.CS_FORMAT_BYTES : C.CS_FORMAT_MSGPACK;
      let bytes = null;
      if (isSmall(data)) length = putWhole(core.data, this.#space, data);
      else {
        bytes = data instanceof Uint8Array ? data : pack(data, `data of event ${JSON.stringify(kind)}`);
        length = bytes.length;
      }
      if (length > config.eventBytes)
        throw new TooBigError(`publishing ${JSON.stringify(kind)}`, {
          expected: `at most ${config.eventBytes} bytes of data`,
          found: `${length} bytes, as MessagePack unless a Uint8Array was given`,
          advice: "publish less, or make the region with more eventBytes",
        });
      if (bytes) core.bytes.set(bytes, this.#space);
    }
    const code = core.exports.cs_event_publish(view, number, format, this.#space, length, core.out);
    if (code < 0) throw errorOf(code, `publishing ${JSON.stringify(kind)}`);
    return core.data.getUint32(core.out, true) + core.data.getUint32(core.out + 4, true) * 2 ** 32;
  }

  /**
   * A place in the log from which to take events.
   * @param {{kinds?: string | Iterable<string>, since?: number | bigint}} [options] `kinds`: those wanted, all if not given;
   *   `since`: start after this sequence, 0 with the oldest event still there; if not given, with what comes from now on
   * @returns {Subscription}
   */
  subscribe({ kinds, since } = {}) {
    const wanted = kinds === undefined ? null : typeof kinds === "string" ? [kinds] : [...kinds];
    if (wanted?.length === 0)
      throw new InvalidError("kinds", { expected: "at least one kind, or none given for all", found: "an empty list", advice: "name what you listen for" }); // prettier-ignore
    const after = since === undefined ? C.CS_FOREVER : unsigned(since, "since");
    return new Subscription(this.#region, this.#kinds, wanted, after);
  }

  /** The sequence of the newest event, 0 before the first. One load. */
  get newest() {
    const newest = this.#region.core.exports.cs_event_newest(this.#region.view || this.#region.gone());
    return safe(BigInt.asUintN(64, newest), "events.newest", "a subscription");
  }
}
