/** The registry of workers, local or remote. */
import { constants as C } from "../generated/abi.js";
import { check, errorOf, NotFoundError, shown, StaleError, TooBigError } from "./errors.js";
import { nanoseconds, sizeOf } from "./instance.js";
import { milliseconds, safe } from "./numbers.js";
import { pack, unpack } from "./payload.js";
import { putName } from "./table.js";

/** @typedef {import("./region.js").Region} Region */
/** @typedef {{capabilities?: unknown, transport?: unknown, metadata?: unknown}} Details */
/**
 * A picture of an agent that was true at one instant.
 * @typedef {object} AgentInfo
 * @property {string} id
 * @property {number} type an AgentType
 * @property {number} status an AgentStatus
 * @property {bigint} registeredAt ns since the epoch
 * @property {bigint} lastSeen its last sign of life, ns since the epoch, of a coarse clock
 * @property {number} participant id of who registered it
 * @property {number} statusChanges how often its status has changed
 * @property {number} detailsVersion how often its details have changed
 * @property {bigint} handle names this registration: calls given the AgentInfo mean this one, never a later one of the same id
 * @property {any} capabilities as registered; null where nothing was given
 * @property {any} transport
 * @property {any} metadata
 * @property {Uint8Array[]} details the three as they are in the region: MessagePack, empty where there are none
 */

const WORDS = /** @type {const} */ (["capabilities", "transport", "metadata"]);
const INFO = sizeOf("cs_agent_info");
const ROW = sizeOf("cs_agent_row");

/** `state.agents`. Where an agent is asked for, its id or an AgentInfo will do. Look-ups take no lock. */
export class Agents {
  #region;

  /** @param {Region} region */
  constructor(region) {
    this.#region = region;
  }

  get #view() {
    return this.#region.view || this.#region.gone();
  }

  // -- changing --------------------------------------------------------------------------------

  /**
   * Register an agent; everybody gets an `agent_registered` event. The details are anything MessagePack can carry, together up
   * to `config.agentDetailsBytes`.
   * @param {string} id up to 63 bytes of UTF-8
   * @param {number} type an AgentType
   * @param {Details} [details]
   * @returns {AgentInfo}
   * @throws {ExistsError | FullError | TooBigError | NameInvalidError | InvalidError | ReadOnlyError | ClosedError}
   */
  register(id, type, details = {}) {
    const { core } = this.#region;
    const view = this.#view;
    const what = `registering agent ${JSON.stringify(id)}`;
    const packed = WORDS.map((word) => packDetail(details[word], `${word} of agent ${JSON.stringify(id)}`));
    return this.#withDetails(packed, what, (struct) => {
      const length = putName(this.#region, id, "agent id");
      const code = core.soon(() => core.exports.cs_agent_register(view, core.scratch, length, type, struct, core.out));
      check(code, what, code === C.CS_E_INVALID ? { expected: "an AgentType", found: shown(type) } : {});
      return this.#read(core.data.getBigUint64(core.out, true), id);
    });
  }

  /**
   * Replace details; what is not given stays as it is. Readers see all of the change or nothing of it.
   * @param {string | AgentInfo} agent
   * @param {Details} details
   * @returns {AgentInfo}
   */
  update(agent, details) {
    const { core } = this.#region;
    const current = typeof agent === "string" ? this.#found(agent) : this.#read(agent.handle, agent.id);
    const what = `updating agent ${JSON.stringify(current.id)}`;
    const packed = WORDS.map((word) => packDetail(word in details ? details[word] : current[word], `${word} of agent ${JSON.stringify(current.id)}`));
    const view = this.#view;
    return this.#withDetails(packed, what, (struct) => {
      check(core.soon(() => core.exports.cs_agent_set_details(view, current.handle, struct)), what);
      return this.#read(current.handle, current.id);
    });
  }

  /**
   * @template T
   * @param {Uint8Array[]} packed
   * @param {string} what
   * @param {(struct: number) => T} work
   * @returns {T}
   */
  #withDetails(packed, what, work) {
    const { core, config } = this.#region;
    const total = packed.reduce((sum, bytes) => sum + bytes.length, 0);
    if (total > config.agentDetailsBytes)
      throw new TooBigError(what, {
        expected: `at most ${config.agentDetailsBytes} bytes of details together`,
        found: `${total} bytes as MessagePack`,
        advice: "give less, or make the region with more agentDetailsBytes",
      });
    const struct = core.allocate(sizeOf("cs_details") + total);
    try {
      let at = struct + sizeOf("cs_details");
      for (const [i, word] of WORDS.entries()) {
        core.bytes.set(packed[i], at);
        core.write("cs_details", struct, { [word]: at, [`${word}_length`]: packed[i].length });
        at += packed[i].length;
      }
      return work(struct);
    } finally {
      core.free(struct);
    }
  }

  /** Take an agent off the registry; everybody gets an `agent_deregistered` event. @param {string | AgentInfo} agent @throws {NotFoundError} */
  deregister(agent) {
    this.#call(agent, (view, handle) => this.#region.core.exports.cs_agent_deregister(view, handle, C.CS_REASON_DEREGISTERED));
  }

  /** A sign of life: `lastSeen` becomes now. @param {string | AgentInfo} agent @throws {NotFoundError} */
  heartbeat(agent) {
    this.#call(agent, (view, handle) => this.#region.core.exports.cs_agent_heartbeat(view, handle));
  }

  /**
   * Move an agent along its lifecycle; everybody gets an `agent_status_changed` event.
   * @param {string | AgentInfo} agent
   * @param {number} status an AgentStatus
   * @returns {boolean} false when it had that status already, and so nothing happened
   * @throws {TransitionError | NotFoundError | InvalidError | ReadOnlyError}
   */
  setStatus(agent, status) {
    const { core } = this.#region;
    this.#call(agent, (view, handle) => core.exports.cs_agent_set_status(view, handle, status, core.out));
    return core.data.getUint32(core.out, true) !== 0;
  }

  /**
   * Take off the silent and the dead; each leaves with an `agent_deregistered` event that says which.
   * @param {{olderThan?: number, dead?: boolean}} [options] `olderThan`: milliseconds after which one not seen is silent, never if
   *   not given; `dead`: whether to take off those whose page or worker died (true)
   * @returns {number} how many
   */
  reap({ olderThan, dead = true } = {}) {
    const { core } = this.#region;
    const view = this.#view;
    const age = nanoseconds(milliseconds(olderThan, "olderThan"));
    return check(core.soon(() => core.exports.cs_agents_reap(view, age, dead ? 1 : 0)), "reaping agents");
  }

  /** @param {string | AgentInfo} agent @param {(view: number, handle: bigint) => number} call */
  #call(agent, call) {
    const view = this.#view;
    const id = typeof agent === "string" ? agent : agent.id;
    const handle = typeof agent === "string" ? this.#handleOf(agent) : agent.handle;
    const what = `agent ${JSON.stringify(id)}`;
    if (handle === null) throw new NotFoundError(what);
    const code = this.#region.core.soon(() => call(view, handle));
    if (code === C.CS_E_STALE && typeof agent === "string") throw new NotFoundError(what);
    check(code, what);
  }

  // -- reading ---------------------------------------------------------------------------------

  /** The agent of this id as it is now, or undefined. @param {string} id @returns {AgentInfo | undefined} */
  get(id) {
    const handle = this.#handleOf(id);
    if (handle === null) return undefined;
    try {
      return this.#read(handle, id);
    } catch (problem) {
      if (problem instanceof StaleError) return undefined;
      throw problem;
    }
  }

  /** @param {string} id @returns {AgentInfo} */
  #found(id) {
    const agent = this.get(id);
    if (!agent) throw new NotFoundError(`agent ${JSON.stringify(id)}`);
    return agent;
  }

  /** @param {string} id */
  has(id) {
    return this.#handleOf(id) !== null;
  }

  get size() {
    const { core } = this.#region;
    check(core.exports.cs_names_count(this.#view, C.CS_SECTION_AGENTS, core.out), "agents");
    return core.data.getUint32(core.out, true);
  }

  /**
   * Every agent without its details: cheap enough for each frame. O(agents).
   * @returns {Pick<AgentInfo, "id" | "type" | "status" | "registeredAt" | "lastSeen" | "participant" | "handle">[]}
   */
  list() {
    const { core } = this.#region;
    const view = this.#view;
    const capacity = Math.max(1, Math.min(this.size + 16, this.#region.config.agents));
    const rows = core.allocate(capacity * ROW);
    try {
      check(core.exports.cs_agents_export(view, rows, capacity, core.out), "agents");
      const count = core.data.getUint32(core.out, true);
      return Array.from({ length: count }, (_, i) => core.read("cs_agent_row", rows + i * ROW)).map((row) => ({
        id: row.id,
        type: row.type,
        status: row.status,
        registeredAt: row.registered_ns,
        lastSeen: row.last_seen_ns,
        participant: row.participant,
        handle: row.handle,
      }));
    } finally {
      core.free(rows);
    }
  }

  /** The ids of all agents. @returns {Generator<string>} */
  *keys() {
    for (const { id } of this.list()) yield id;
  }

  /** Every agent with its details. @returns {Generator<AgentInfo>} */
  *values() {
    for (const { handle, id } of this.list()) {
      try {
        yield this.#read(handle, id);
      } catch (problem) {
        if (!(problem instanceof StaleError)) throw problem; // it left meanwhile
      }
    }
  }

  [Symbol.iterator]() {
    return this.values();
  }

  // -- how -------------------------------------------------------------------------------------

  /** @param {string} id @returns {bigint | null} */
  #handleOf(id) {
    const { core } = this.#region;
    const view = this.#view;
    const length = putName(this.#region, id, "agent id");
    const code = core.exports.cs_agent_find(view, core.scratch, length, core.out);
    if (code === C.CS_E_NOT_FOUND) return null;
    check(code, `agent ${JSON.stringify(id)}`);
    return core.data.getBigUint64(core.out, true);
  }

  /** @param {bigint} handle @param {string} id @returns {AgentInfo} */
  #read(handle, id) {
    const { core, config } = this.#region;
    const view = this.#view;
    const space = core.allocate(INFO + config.agentDetailsBytes);
    try {
      const code = core.exports.cs_agent_get(view, handle, space, space + INFO, config.agentDetailsBytes);
      if (code < 0) throw errorOf(code, `agent ${JSON.stringify(id)}`);
      const info = core.read("cs_agent_info", space);
      let at = space + INFO;
      const details = WORDS.map((word) => {
        const bytes = core.copy(at, info[`${word}_length`]);
        at += bytes.length;
        return bytes;
      });
      const [capabilities, transport, metadata] = details.map((bytes) => (bytes.length ? unpack(bytes) : null));
      return {
        id: info.id,
        type: info.type,
        status: info.status,
        registeredAt: info.registered_ns,
        lastSeen: info.last_seen_ns,
        participant: info.participant,
        statusChanges: safe(info.changes, "statusChanges", "the core"),
        detailsVersion: safe(info.details_version, "detailsVersion", "the core"),
        handle,
        capabilities,
        transport,
        metadata,
        details,
      };
    } finally {
      core.free(space);
    }
  }
}

/** @param {unknown} data @param {string} what @returns {Uint8Array} */
function packDetail(data, what) {
  return data === undefined || data === null ? new Uint8Array() : pack(data, what);
}
