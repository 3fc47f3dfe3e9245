/** What opening a region gives: everything in it, by name. */
import { constants as C } from "../generated/abi.js";
import { Agents } from "./agents.js";
import { Areas } from "./areas.js";
import { Autosave } from "./autosave.js";
import { Counters, Gauges } from "./cells.js";
import { Engine } from "./engine.js";
import { InvalidError } from "./errors.js";
import { Events } from "./events.js";
import { readHealth } from "./health.js";
import { sizeOf } from "./instance.js";
import { Locks } from "./locks.js";
import { milliseconds } from "./numbers.js";
import { withoutRoom } from "./reserved.js";
import { takeSnapshot } from "./snapshot.js";
import { put } from "./storage.js";

/** @typedef {import("./region.js").Region} Region */
/**
 * A page or worker attached for writing.
 * @typedef {object} Participant
 * @property {number} id what events, agents and locks name as their source or holder
 * @property {boolean} alive
 * @property {bigint} attachedAt ns since the epoch
 * @property {boolean} me whether it is this attachment
 */

/** The live state in one region. Made by `open`, `attach` and `restore`. */
export class State {
  #region;
  /** @type {WebAssembly.Module} */
  #module;

  /** @param {Region} region @param {WebAssembly.Module} module */
  constructor(region, module) {
    this.#region = region;
    this.#module = module;
    /** The burst engine's states, numbers, fatigue and change hashes. */
    this.engine = new Engine(region);
    /** Named counters. */
    this.counters = new Counters(region);
    /** Named gauges. */
    this.gauges = new Gauges(region);
    /** Cortical areas. */
    this.areas = new Areas(region);
    /** Named locks. */
    this.locks = new Locks(region);
    /** The agent registry. */
    this.agents = new Agents(region);
    /** The event log. */
    this.events = new Events(region);
  }

  /** The attachment itself, for tools. */
  get region() {
    return this.#region;
  }

  /** What it was opened as: the name under which `save` keeps it. */
  get name() {
    return this.#region.name;
  }

  /** "rw" or "r". */
  get mode() {
    return this.#region.mode;
  }

  /** How much of everything the region has room for, without what Python has laid out for its durable parts. */
  get config() {
    return withoutRoom(this.#region.config, this.#region.reserved);
  }

  /** Whether other workers can attach to it. */
  get shared() {
    return this.#region.core.shared;
  }

  get closed() {
    return this.#region.closed;
  }

  /**
   * What `attach` takes in another worker; `postMessage` carries it. It has the compiled core with it, so that the other side
   * need not fetch it again.
   * @returns {import("./region.js").Handle}
   * @throws {NotSharedError} the region is private
   */
  get handle() {
    return { ...this.#region.handle, module: this.#module };
  }

  /**
   * How things are: states, numbers, who lives, what is full, lost or held by the dead, and a verdict.
   * @param {{staleAfter?: number}} [options] milliseconds after which a silent agent counts as stale; 30 000 if not given
   */
  health({ staleAfter = 30000 } = {}) {
    return readHealth(this.#region, milliseconds(staleAfter, "staleAfter"));
  }

  /** Who is attached for writing, the dead whose slots await the sweep included. @returns {Participant[]} */
  participants() {
    const { core, config } = this.#region;
    const view = this.#region.view || this.#region.gone();
    const mine = core.exports.cs_participant_self(view);
    const info = core.allocate(sizeOf("cs_participant_info"));
    const found = [];
    for (let slot = 0; slot < config.participants; slot++) {
      core.exports.cs_participant_get(view, slot, info);
      const { id, state, attached_ns: attachedAt } = core.read("cs_participant_info", info);
      if (state !== C.CS_PARTICIPANT_FREE) found.push({ id, alive: state === C.CS_PARTICIPANT_LIVE, attachedAt, me: id === mine });
    }
    core.free(info);
    return found;
  }

  /** This attachment's participant id; 0 when read-only. */
  get participant() {
    return this.#region.core.exports.cs_participant_self(this.#region.view || this.#region.gone());
  }

  /**
   * A picture of the region as bytes, in the format of Python's snapshot files. Every record in it is whole; held locks and
   * participants are left out. O(what is there).
   */
  snapshot() {
    return takeSnapshot(this.#region);
  }

  /**
   * Save a snapshot to IndexedDB, in place of the one kept under this name; `load` brings it back.
   * @param {string} [name] the region's own if not given
   * @throws {StorageError} blocked, full, or not there (node has none)
   */
  async save(name = this.name) {
    const what = `saving ${JSON.stringify(name)}`;
    if (!name) throw new InvalidError(what, { expected: "a name", found: "none", advice: "open the region with a name, or give one here" });
    await put(name, this.snapshot().bytes);
  }

  /**
   * Save now and then, when something has changed, without stalling the page: a shared region is saved by a worker.
   * @param {{name?: string, every?: number, onError?: (problem: Error) => void}} [options] `every`: milliseconds, 5000 if not
   *   given; `onError`: called with what went wrong, after which the next attempt follows all the same
   * @returns {Autosave} to be stopped
   */
  autosave({ name = this.name, every = 5000, onError = () => {} } = {}) {
    return new Autosave(this, { name, every, onError });
  }

  /** A copy of the region's bytes as they are now, for tools that look at them elsewhere. */
  image() {
    return this.#region.image();
  }

  /** Let go of the region. Idempotent. Locks still held here count as a dead holder's. */
  close() {
    this.#region.close();
  }

  [Symbol.dispose]() {
    this.close();
  }
}
