/** What the core's own events carry, as objects; see the kinds in docs/browser.md. */
import { constants as C } from "../generated/abi.js";
import { offsetOf, sizeOf } from "./instance.js";
import { camel } from "./names.js";
import { Undecodable } from "./payload.js";
import { decode } from "./text.js";

/** @typedef {import("./instance.js").Core} Core */

/** @type {Map<number, number>} */
const STATE_OF = new Map([
  [C.CS_KIND_BURST_ENGINE_STATE_CHANGED, C.CS_STATE_BURST],
  [C.CS_KIND_GENOME_STATE_CHANGED, C.CS_STATE_GENOME],
  [C.CS_KIND_CONNECTOME_STATE_CHANGED, C.CS_STATE_CONNECTOME],
  [C.CS_KIND_BRAIN_READY_CHANGED, C.CS_STATE_BRAIN_READY],
]);

/** An unknown number reads as zero, as everywhere. @param {Core} core @param {number} state @param {number} value */
function stateValue(core, state, value) {
  const known = value <= core.exports.cs_engine_state_max(state) ? value : 0;
  return state === C.CS_STATE_BRAIN_READY ? known !== 0 : known;
}

/** @param {number} value @param {number} count */
const known = (value, count) => (value < count ? value : 0);

/**
 * The data of a built-in event. Bytes that no core of ours wrote come back as Undecodable.
 * @param {Core} core
 * @param {number} kind
 * @param {Uint8Array} bytes
 * @returns {Record<string, any> | Undecodable}
 */
export function decodeChange(core, kind, bytes) {
  const size = sizeOf("cs_change");
  if (bytes.length < size) return new Undecodable(bytes);
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (/** @type {string} */ field) => data.getUint32(offsetOf("cs_change", field), true);
  const before = at("old_value");
  const after = at("new_value");
  const state = STATE_OF.get(kind);
  if (state !== undefined) return { old: stateValue(core, state, before), new: stateValue(core, state, after) };
  const name = decode(bytes.subarray(size));
  switch (kind) {
    case C.CS_KIND_SERVICE_STATE_CHANGED: {
      const subject = at("subject");
      if (subject >= C.CS_STATES) return new Undecodable(bytes);
      const service = camel(core.string(core.exports.cs_engine_state_name(subject)));
      return { service, old: stateValue(core, subject, before), new: stateValue(core, subject, after) };
    }
    case C.CS_KIND_AGENT_REGISTERED:
      return { id: name, type: known(after, C.CS_AGENT_TYPES) };
    case C.CS_KIND_AGENT_DEREGISTERED:
      return { id: name, type: known(before, C.CS_AGENT_TYPES), reason: known(after, C.CS_REASON_DEAD + 1) };
    case C.CS_KIND_AGENT_STATUS_CHANGED:
      return { id: name, old: known(before, C.CS_AGENT_STATUSES), new: known(after, C.CS_AGENT_STATUSES) };
    case C.CS_KIND_LOCK_INHERITED:
      return { name, area: at("table") === C.CS_SECTION_AREAS, dead: before, taker: after };
    case C.CS_KIND_AREA_CHANGED:
      return { name, field: before < C.CS_AREA_FIELDS ? camel(core.string(core.exports.cs_area_field_name(before))) : "" };
    case C.CS_KIND_BUDGET_WARNING:
      return { name, percent: after };
    default:
      return new Undecodable(bytes);
  }
}
