/** One call that says how things are. */
import { engineFromCore } from "./engine.js";
import { errorOf } from "./errors.js";
import { nanoseconds, offsetOf, sizeOf } from "./instance.js";
import { ownRoom } from "./reserved.js";

/** @typedef {import("./region.js").Region} Region */
/** @typedef {{used: number, capacity: number}} Use how full a table is */
/**
 * How a region is, as of one moment.
 * @typedef {object} Health
 * @property {number} verdict a Verdict: OK, DEGRADED or FAILED
 * @property {string[]} reasons why, such as "dead_participants"; empty when all is well
 * @property {bigint} timeNs when, in ns since the epoch
 * @property {Record<string, any>} engine every state and number, as `state.engine.snapshot()`
 * @property {Use} participants pages and workers attached for writing and alive
 * @property {number} participantsDead dead, and not swept yet
 * @property {Use} agents
 * @property {number} agentsStale not seen for longer than was asked about
 * @property {number} agentsDead registered by a page or worker that died, and not reaped yet
 * @property {Use} areas
 * @property {Use} counters
 * @property {Use} gauges
 * @property {Use} locks
 * @property {number} locksHeld named and area locks together
 * @property {number} locksDead held by the dead, and not taken over yet
 * @property {bigint} eventsNewest sequence of the newest event
 * @property {number} eventsDepth events that can still be read
 * @property {number} eventsCapacity
 * @property {bigint} eventsLost overwritten before a reader came to them, since the region was made
 * @property {bigint} eventsHoles positions whose producer died or stood still, since the region was made
 * @property {bigint} linkAgeNs of a mirror: ns since its source was last heard; 0 in every other region
 * @property {number} linkLoss of a mirror: the share of its frames that were lost, 0 to 1; 0 in every other region
 */

/** @param {import("./instance.js").Core} core @param {number} bits */
function reasons(core, bits) {
  const single = Array.from({ length: 32 }, (_, i) => (1 << i) >>> 0).filter((bit) => bits & bit);
  return single.map((bit) => core.string(core.exports.cs_health_reason_name(bit)) || `reason-${bit}`);
}

/**
 * Take stock. O(agents + areas + locks + participants).
 * @param {Region} region
 * @param {number} staleAfter milliseconds; Infinity: never
 * @returns {Health}
 */
export function readHealth(region, staleAfter) {
  const { core } = region;
  const view = region.view || region.gone();
  const space = core.allocate(sizeOf("cs_health"));
  try {
    const code = core.exports.cs_health_read(view, nanoseconds(staleAfter), space);
    if (code < 0) throw errorOf(code, "health");
    const found = core.read("cs_health", space);
    const { reserved } = region;
    const use = (/** @type {string} */ name) => {
      const own = ownRoom(name, reserved); // the rest is the user's, as the config has it
      return { used: Math.max(0, found[name] - own), capacity: found[`${name}_capacity`] - own };
    };
    return {
      verdict: found.verdict,
      reasons: reasons(core, found.reasons),
      timeNs: found.time_ns,
      engine: engineFromCore(core, space + offsetOf("cs_health", "engine")),
      participants: { used: found.participants_live, capacity: found.participants_capacity },
      participantsDead: found.participants_dead,
      agents: use("agents"),
      agentsStale: found.agents_stale,
      agentsDead: found.agents_dead,
      areas: use("areas"),
      counters: use("counters"),
      gauges: use("gauges"),
      locks: use("locks"),
      locksHeld: found.locks_held,
      locksDead: found.locks_dead,
      eventsNewest: found.events_newest,
      eventsDepth: found.events_depth,
      eventsCapacity: found.events_capacity,
      eventsLost: found.events_lost,
      eventsHoles: found.events_holes,
      linkAgeNs: found.link_age_ns,
      linkLoss: found.link_loss / 1e6,
    };
  } finally {
    core.free(space);
  }
}
