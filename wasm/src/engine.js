/** The burst engine's core state: what it is doing, its numbers, its fatigue, its change hashes. */
import { constants as C } from "../generated/abi.js";
import { check, errorOf, InvalidError, shown } from "./errors.js";
import { sizeOf } from "./instance.js";
import { camel, snake } from "./names.js";
import { real, safe, signed, unsigned } from "./numbers.js";

/** @typedef {import("./region.js").Region} Region */

const buffer = new DataView(new ArrayBuffer(8));

/** Bits as the f64 they are. @param {bigint} bits */
function toReal(bits) {
  buffer.setBigUint64(0, bits);
  return buffer.getFloat64(0);
}

/** @param {unknown} value */
const asBit = (value) => (typeof value === "boolean" ? Number(value) : /** @type {any} */ (value));

/**
 * `state.engine`. Each field is a property that reads and writes the region; reading is one atomic load. Setting a state
 * publishes an event, in one step with it. Setting a number is one atomic store; nobody is told.
 *
 * Counts and bytes are numbers, exact up to 2^53 - 1: reading one that is larger throws OutOfRangeError, and `bigint()`
 * reads it. Times (ns since the epoch) and hashes are BigInt. Percentages are 0 to 100. `agentCount`, `version` and
 * `lastModified` are kept by the core and cannot be set.
 */
export class Engine {
  #region;
  #core;
  /** @type {Map<string, number>} */
  #fields = new Map();

  /** @param {Region} region */
  constructor(region) {
    this.#region = region;
    this.#core = region.core.exports;
    for (let field = 0; field < C.CS_ENGINE_FIELDS; field++) {
      const name = region.core.string(this.#core.cs_engine_field_name(field));
      if (name) this.#fields.set(name, field);
    }
  }

  /** @param {number} state */
  #state(state) {
    return this.#core.cs_engine_state(this.#region.view || this.#region.gone(), state);
  }
  /** @param {number} state @param {number} value */
  #setState(state, value) {
    const { core } = this.#region;
    const view = this.#region.view || this.#region.gone();
    const what = `engine.${camel(core.string(this.#core.cs_engine_state_name(state)))}`;
    const most = this.#core.cs_engine_state_max(state);
    if (!Number.isInteger(value) || value < 0 || value > most)
      throw new InvalidError(what, { expected: `0 to ${most}`, found: shown(value), advice: "pass a member of its enum" });
    check(core.soon(() => this.#core.cs_engine_set_state(view, state, value)), what);
  }
  /** @param {number} field @param {string} name */
  #number(field, name) {
    const value = this.#core.cs_wasm_engine_number(this.#region.view || this.#region.gone(), field);
    return value <= Number.MAX_SAFE_INTEGER ? value : safe(value, `engine.${name}`, `engine.bigint("${name}")`);
  }
  /** @param {number} field */
  #bigint(field) {
    return BigInt.asUintN(64, this.#core.cs_engine_get(this.#region.view || this.#region.gone(), field));
  }
  /** @param {number} field */
  #real(field) {
    return this.#core.cs_engine_get_f64(this.#region.view || this.#region.gone(), field);
  }
  /** @param {number} field @param {string} name @param {number | bigint} value */
  #set(field, name, value) {
    const what = `engine.${name}`;
    const whole = unsigned(value, what);
    check(this.#core.cs_engine_set(this.#region.view || this.#region.gone(), field, whole), what, { found: String(value) });
  }
  /** @param {number} field @param {string} name @param {number} value */
  #setReal(field, name, value) {
    const what = `engine.${name}`;
    const number = real(value, what);
    check(this.#core.cs_engine_set_f64(this.#region.view || this.#region.gone(), field, number), what, { found: String(value) });
  }

  // -- states ----------------------------------------------------------------------------------

  /** What the burst engine is doing: a BurstEngineState. */
  get burstState() { return this.#state(C.CS_STATE_BURST); }
  set burstState(value) { this.#setState(C.CS_STATE_BURST, value); }
  /** Where the genome is between disk and memory: a GenomeState. */
  get genomeState() { return this.#state(C.CS_STATE_GENOME); }
  set genomeState(value) { this.#setState(C.CS_STATE_GENOME, value); }
  /** What is happening to the connectome: a ConnectomeState. */
  get connectomeState() { return this.#state(C.CS_STATE_CONNECTOME); }
  set connectomeState(value) { this.#setState(C.CS_STATE_CONNECTOME, value); }
  /** Whether the brain is ready. @type {boolean} */
  get brainReady() { return this.#state(C.CS_STATE_BRAIN_READY) !== 0; }
  set brainReady(value) { this.#setState(C.CS_STATE_BRAIN_READY, asBit(value)); }
  /** The FQ sampler: a ServiceState. */
  get fqSamplerState() { return this.#state(C.CS_STATE_FQ_SAMPLER); }
  set fqSamplerState(value) { this.#setState(C.CS_STATE_FQ_SAMPLER, value); }
  /** The API: a ServiceState. */
  get apiState() { return this.#state(C.CS_STATE_API); }
  set apiState(value) { this.#setState(C.CS_STATE_API, value); }
  /** The ZMQ service: a ServiceState. */
  get zmqState() { return this.#state(C.CS_STATE_ZMQ); }
  set zmqState(value) { this.#setState(C.CS_STATE_ZMQ, value); }

  // -- numbers ---------------------------------------------------------------------------------

  /** Registered agents; the registry keeps it. Number. */
  get agentCount() { return this.#number(C.CS_AGENT_COUNT, "agentCount"); }
  /** Bursts so far. Number. */
  get burstCount() { return this.#number(C.CS_BURST_COUNT, "burstCount"); }
  /** @param {number | bigint} value */
  set burstCount(value) { this.#set(C.CS_BURST_COUNT, "burstCount", value); }
  /** Bursts a second, Hz. */
  get burstFrequency() { return this.#real(C.CS_BURST_FREQUENCY); }
  set burstFrequency(value) { this.#setReal(C.CS_BURST_FREQUENCY, "burstFrequency", value); }
  /** Number. */
  get neuronCount() { return this.#number(C.CS_NEURON_COUNT, "neuronCount"); }
  /** @param {number | bigint} value */
  set neuronCount(value) { this.#set(C.CS_NEURON_COUNT, "neuronCount", value); }
  /** Number. */
  get synapseCount() { return this.#number(C.CS_SYNAPSE_COUNT, "synapseCount"); }
  /** @param {number | bigint} value */
  set synapseCount(value) { this.#set(C.CS_SYNAPSE_COUNT, "synapseCount", value); }
  /** Number. */
  get corticalAreaCount() { return this.#number(C.CS_CORTICAL_AREA_COUNT, "corticalAreaCount"); }
  /** @param {number | bigint} value */
  set corticalAreaCount(value) { this.#set(C.CS_CORTICAL_AREA_COUNT, "corticalAreaCount", value); }
  /** Bytes. Number. */
  get memoryUsage() { return this.#number(C.CS_MEMORY_USAGE, "memoryUsage"); }
  /** @param {number | bigint} value */
  set memoryUsage(value) { this.#set(C.CS_MEMORY_USAGE, "memoryUsage", value); }
  /** One more for each change to the engine section, agents, areas or locks. Number. */
  get version() { return this.#number(C.CS_VERSION, "version"); }
  /** When it last changed: ns since the epoch, of a coarse clock. BigInt. */
  get lastModified() { return this.#bigint(C.CS_LAST_MODIFIED); }
  /** Of the genome: ns since the epoch. BigInt; numbers are taken, too. */
  get genomeTimestamp() { return this.#bigint(C.CS_GENOME_TIMESTAMP); }
  /** @param {number | bigint} value */
  set genomeTimestamp(value) { this.#set(C.CS_GENOME_TIMESTAMP, "genomeTimestamp", value); }

  // -- fatigue ---------------------------------------------------------------------------------

  /** 0 to 100. */
  get fatigueIndex() { return this.#real(C.CS_FATIGUE_INDEX); }
  set fatigueIndex(value) { this.#setReal(C.CS_FATIGUE_INDEX, "fatigueIndex", value); }
  /** 0 to 100. */
  get regularNeuronUtil() { return this.#real(C.CS_REGULAR_NEURON_UTIL); }
  set regularNeuronUtil(value) { this.#setReal(C.CS_REGULAR_NEURON_UTIL, "regularNeuronUtil", value); }
  /** 0 to 100. */
  get memoryNeuronUtil() { return this.#real(C.CS_MEMORY_NEURON_UTIL); }
  set memoryNeuronUtil(value) { this.#setReal(C.CS_MEMORY_NEURON_UTIL, "memoryNeuronUtil", value); }
  /** 0 to 100. */
  get synapseUtil() { return this.#real(C.CS_SYNAPSE_UTIL); }
  set synapseUtil(value) { this.#setReal(C.CS_SYNAPSE_UTIL, "synapseUtil", value); }
  /** @type {boolean} */
  get fatigueActive() { return this.#number(C.CS_FATIGUE_ACTIVE, "fatigueActive") !== 0; }
  set fatigueActive(value) { this.#set(C.CS_FATIGUE_ACTIVE, "fatigueActive", asBit(value)); }

  // -- change hashes: 64 bits set by their owners, BigInt --------------------------------------

  get brainRegionsHash() { return this.#bigint(C.CS_HASH_BRAIN_REGIONS); }
  /** @param {number | bigint} value */
  set brainRegionsHash(value) { this.#set(C.CS_HASH_BRAIN_REGIONS, "brainRegionsHash", value); }
  get corticalAreasHash() { return this.#bigint(C.CS_HASH_CORTICAL_AREAS); }
  /** @param {number | bigint} value */
  set corticalAreasHash(value) { this.#set(C.CS_HASH_CORTICAL_AREAS, "corticalAreasHash", value); }
  get brainGeometryHash() { return this.#bigint(C.CS_HASH_BRAIN_GEOMETRY); }
  /** @param {number | bigint} value */
  set brainGeometryHash(value) { this.#set(C.CS_HASH_BRAIN_GEOMETRY, "brainGeometryHash", value); }
  get morphologiesHash() { return this.#bigint(C.CS_HASH_MORPHOLOGIES); }
  /** @param {number | bigint} value */
  set morphologiesHash(value) { this.#set(C.CS_HASH_MORPHOLOGIES, "morphologiesHash", value); }
  get corticalMappingsHash() { return this.#bigint(C.CS_HASH_CORTICAL_MAPPINGS); }
  /** @param {number | bigint} value */
  set corticalMappingsHash(value) { this.#set(C.CS_HASH_CORTICAL_MAPPINGS, "corticalMappingsHash", value); }
  get classifiersHash() { return this.#bigint(C.CS_HASH_CLASSIFIERS); }
  /** @param {number | bigint} value */
  set classifiersHash(value) { this.#set(C.CS_HASH_CLASSIFIERS, "classifiersHash", value); }
  get agentDataHash() { return this.#bigint(C.CS_HASH_AGENT_DATA); }
  /** @param {number | bigint} value */
  set agentDataHash(value) { this.#set(C.CS_HASH_AGENT_DATA, "agentDataHash", value); }

  // -- by name ---------------------------------------------------------------------------------

  /** @param {string} name @param {string} what */
  #fieldOf(name, what) {
    const field = this.#fields.get(snake(name));
    if (field !== undefined) return field;
    const known = [...this.#fields.keys()].map(camel).join(", ");
    throw new InvalidError(what, { expected: `one of ${known}`, found: String(name), advice: "check its spelling" });
  }

  /** A whole number by name, exactly. @param {string} name such as "neuronCount" @returns {bigint} */
  bigint(name) {
    return this.#bigint(this.#fieldOf(name, "engine.bigint()"));
  }

  /**
   * The cell of a number by name, as one element over the region's own memory: for who reads it so often that a call is too
   * much. Read it with `Atomics.load(view, 0)`; writing goes by the property, which checks and counts. Good until the region
   * is closed. Fields that are floating point have their bits here.
   * @param {string} name such as "neuronCount"
   * @returns {BigUint64Array}
   */
  view(name) {
    const { core } = this.#region;
    const view = this.#region.view || this.#region.gone();
    const cell = this.#core.cs_engine_cell(view, this.#fieldOf(name, "engine.view()")) >>> 0;
    return new BigUint64Array(core.memory.buffer, cell, 1);
  }

  /**
   * Add n, which may be negative, to a whole number by name; atomic.
   * @param {string} name such as "burstCount"
   * @param {number | bigint} [n]
   * @returns {number} the new value (up to 2^53 - 1)
   * @throws {OutOfRangeError} below zero or beyond 64 bits; nothing has changed
   */
  add(name, n = 1) {
    const what = `engine.add(${JSON.stringify(name)})`;
    const field = this.#fieldOf(name, what);
    const { core } = this.#region;
    const amount = signed(n, what);
    check(this.#core.cs_engine_add(this.#region.view || this.#region.gone(), field, amount, core.out), what);
    return safe(core.data.getBigUint64(core.out, true), what, `engine.bigint("${name}")`);
  }

  /**
   * Every field and state by name, all true at one instant if `quiet`. Whole numbers are BigInt here, without exception.
   * `changes` has how often each state has changed.
   */
  snapshot() {
    const { core } = this.#region;
    const view = this.#region.view || this.#region.gone();
    const found = core.allocate(sizeOf("cs_engine_snapshot"));
    const code = this.#core.cs_engine_read(view, found);
    const shown = code < 0 ? {} : engineFromCore(core, found);
    core.free(found);
    if (code < 0) throw errorOf(code, "engine.snapshot()");
    return shown;
  }
}

/**
 * A `cs_engine_snapshot` as an object.
 * @param {import("./instance.js").Core} core
 * @param {number} address
 * @returns {Record<string, any>}
 */
export function engineFromCore(core, address) {
  const { exports } = core;
  const { cells, changes, states, quiet } = core.read("cs_engine_snapshot", address);
  /** @type {Record<string, any>} */
  const shown = {};
  /** @type {Record<string, bigint>} */
  const counted = {};
  for (let state = 0; state < C.CS_STATES; state++) {
    const name = camel(core.string(exports.cs_engine_state_name(state)));
    shown[name] = state === C.CS_STATE_BRAIN_READY ? states[state] !== 0 : states[state];
    counted[name] = changes[state];
  }
  for (let field = 0; field < C.CS_ENGINE_FIELDS; field++) {
    const type = exports.cs_engine_field_type(field);
    if (type === C.CS_TYPE_NONE) continue;
    const name = camel(core.string(exports.cs_engine_field_name(field)));
    if (type === C.CS_TYPE_BOOL) shown[name] = cells[field] !== 0n;
    else shown[name] = type === C.CS_TYPE_U64 ? cells[field] : toReal(cells[field]);
  }
  return { ...shown, changes: counted, quiet: quiet !== 0 };
}
