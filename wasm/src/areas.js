/** Cortical areas, by name or index. */
import { constants as C } from "../generated/abi.js";
import { check, InvalidError, NotFoundError } from "./errors.js";
import { Lock } from "./locks.js";
import { camel, snake } from "./names.js";
import { safe, signed, unsigned } from "./numbers.js";
import { Named, Table } from "./table.js";

/** @typedef {import("./region.js").Region} Region */

/**
 * A cortical area. Its numbers are properties that read and write the region; changes are `area_changed` events. They are
 * numbers, exact up to 2^53 - 1; reading one that is larger throws OutOfRangeError.
 */
export class Area extends Named {
  /** @param {number} field @param {string} name */
  #get(field, name) {
    const { core } = this.region;
    check(core.exports.cs_area_get(this.view, this.handle, field, core.out), this.#what(name));
    return safe(core.data.getBigUint64(core.out, true), this.#what(name), `bigint("${name}")`);
  }
  /** @param {number} field @param {string} name @param {number | bigint} value */
  #set(field, name, value) {
    const whole = unsigned(value, this.#what(name));
    check(this.region.core.exports.cs_area_set(this.view, this.handle, field, whole), this.#what(name), { found: String(value) });
  }
  /** @param {string} field */
  #what(field) {
    return `${field} of area ${JSON.stringify(this.name)}`;
  }

  get neuronCount() { return this.#get(C.CS_AREA_NEURON_COUNT, "neuronCount"); }
  /** @param {number | bigint} value */
  set neuronCount(value) { this.#set(C.CS_AREA_NEURON_COUNT, "neuronCount", value); }
  get incomingSynapseCount() { return this.#get(C.CS_AREA_INCOMING_SYNAPSE_COUNT, "incomingSynapseCount"); }
  /** @param {number | bigint} value */
  set incomingSynapseCount(value) { this.#set(C.CS_AREA_INCOMING_SYNAPSE_COUNT, "incomingSynapseCount", value); }
  get outgoingSynapseCount() { return this.#get(C.CS_AREA_OUTGOING_SYNAPSE_COUNT, "outgoingSynapseCount"); }
  /** @param {number | bigint} value */
  set outgoingSynapseCount(value) { this.#set(C.CS_AREA_OUTGOING_SYNAPSE_COUNT, "outgoingSynapseCount", value); }
  /** FCL window size; a new area starts with the region's default. */
  get fclWindow() { return this.#get(C.CS_AREA_FCL_WINDOW, "fclWindow"); }
  /** @param {number | bigint} value */
  set fclWindow(value) { this.#set(C.CS_AREA_FCL_WINDOW, "fclWindow", value); }

  /** `state.areas.at(index)` finds it, too, as long as it exists. */
  get index() {
    return Number(this.handle & 0xffffffffn);
  }

  /** The area's own lock. */
  get lock() {
    return new Lock(this.region, this.handle, this.name, C.CS_SECTION_AREAS);
  }

  /** @param {string} name */
  #field(name) {
    const { core } = this.region;
    for (let field = 0; field < C.CS_AREA_FIELDS; field++)
      if (core.string(core.exports.cs_area_field_name(field)) === snake(name)) return field;
    const known = Array.from({ length: C.CS_AREA_FIELDS }, (_, i) => camel(core.string(core.exports.cs_area_field_name(i))));
    throw new InvalidError(this.#what(String(name)), { expected: `one of ${known.join(", ")}`, found: String(name), advice: "check its spelling" }); // prettier-ignore
  }

  /** A number by name, exactly. @param {string} name such as "neuronCount" @returns {bigint} */
  bigint(name) {
    const { core } = this.region;
    check(core.exports.cs_area_get(this.view, this.handle, this.#field(name), core.out), this.#what(name));
    return core.data.getBigUint64(core.out, true);
  }

  /**
   * Add n, which may be negative, to a number by name; atomic.
   * @param {string} name such as "neuronCount"
   * @param {number | bigint} [n]
   * @returns {number} the new value
   * @throws {OutOfRangeError} below zero or beyond what it holds; nothing has changed
   */
  add(name, n = 1) {
    const { core } = this.region;
    const amount = signed(n, this.#what(name));
    check(core.exports.cs_area_add(this.view, this.handle, this.#field(name), amount, core.out), this.#what(name), { found: `adding ${n}` });
    return safe(core.data.getBigUint64(core.out, true), this.#what(name), `bigint("${name}")`);
  }
}

/** `state.areas`. @extends {Table<Area>} */
export class Areas extends Table {
  /** @param {Region} region */
  constructor(region) {
    super(region, C.CS_SECTION_AREAS, "area", (handle, name) => new Area(region, handle, name));
  }

  /** The area at an index. @param {number} index @returns {Area} @throws {NotFoundError} */
  at(index) {
    const { core } = this.region;
    const what = `area ${index}`;
    if (!Number.isInteger(index) || index < 0 || index > 0xffffffff) throw new NotFoundError(what);
    check(core.exports.cs_names_at(this.view, C.CS_SECTION_AREAS, index, core.out), what);
    const handle = core.data.getBigUint64(core.out, true);
    check(core.exports.cs_names_get(this.view, C.CS_SECTION_AREAS, handle, core.scratch, core.out), what);
    return new Area(this.region, handle, core.text(core.scratch, core.data.getUint32(core.out, true)));
  }
}
