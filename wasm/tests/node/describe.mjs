/** All that a state holds, as same.py says it of one on the host. */

const snake = (/** @type {string} */ name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** As same.py's plain(). @param {any} value @returns {any} */
function plain(value) {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value;
  if (value instanceof Uint8Array) return { bytes: [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snake(key), plain(inner)]));
  return value;
}

/** Numbers that are floating point in Python, whatever their value. @param {any} value */
const real = (value) => ({ real: value });
/** @param {any} value @returns {any} */
function unwrap(value) {
  if (value && typeof value === "object" && "real" in value) return Number(value.real);
  if (Array.isArray(value)) return value.map(unwrap);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrap(inner)]));
  return value;
}

const REALS = ["burstFrequency", "fatigueIndex", "regularNeuronUtil", "memoryNeuronUtil", "synapseUtil"];

/** The same as same.py's describe(). @param {import("corestate").State} state */
export function describe(state) {
  const engine = state.engine.snapshot();
  const log = state.events.subscribe({ since: 0 });
  const events = log.drain();
  log.close();
  const health = state.health();
  for (const name of REALS) engine[name] = real(engine[name]);
  return unwrap({
    config: plain(state.config),
    engine: plain(engine),
    counters: Object.fromEntries([...state.counters].map(([name, counter]) => [name, plain(counter.value)])),
    gauges: Object.fromEntries([...state.gauges].map(([name, gauge]) => [name, gauge.value])),
    areas: Object.fromEntries([...state.areas].map(([name, area]) => [name, plain({ index: area.index, neuronCount: area.bigint("neuronCount"), incomingSynapseCount: area.bigint("incomingSynapseCount"), outgoingSynapseCount: area.bigint("outgoingSynapseCount"), fclWindow: area.bigint("fclWindow") })])), // prettier-ignore
    locks: [...state.locks.keys()].sort(),
    sizes: plain([state.counters.size, state.locks.size]),
    use: plain([health.counters, health.gauges, health.locks].map(({ used, capacity }) => [used, capacity])),
    agents: Object.fromEntries([...state.agents].map((agent) => [agent.id, plain({ type: agent.type, status: agent.status, registeredAt: agent.registeredAt, lastSeen: agent.lastSeen, statusChanges: agent.statusChanges, details: agent.details })])), // prettier-ignore
    events: events.map(({ sequence, timeNs, kind, source, data }) => plain({ sequence, timeNs, kind, source, data: eventData(data) })), // prettier-ignore
  });
}

/** Names of fields and services are in JavaScript's spelling. @param {any} data */
function eventData(data) {
  if (data?.field) return { ...data, field: snake(data.field) };
  if (data?.service) return { ...data, service: snake(data.service) };
  return data;
}
