/**
 * What the durable parts of Python have in a region's tables, beside the user's own: as in src/corestate/_reserved.py. It is made
 * with the region, in room laid out on top of what its config says, and is neither listed nor counted here either. A region made
 * here has no such room, unless it is restored from a snapshot of one that has.
 */
import { constants as C } from "../generated/abi.js";

/** @typedef {import("../generated/core.js").Config} Config */

const MARK = "corestate:names"; // the counter that says that there is room
const MOST = 2 ** 24;

export const COUNTERS = [MARK, "corestate:tasks", "corestate:store", "corestate:epoch", "corestate:least", "corestate:audit"];
export const LOCKS = ["corestate:store", "corestate:keyed"];
/** @type {Readonly<Record<string, number>>} How much more a region has of what its config says. */
const ROOM = { counters: COUNTERS.length, locks: LOCKS.length };

const IN_SNAPSHOT = new TextEncoder().encode(` ${MARK}`);
IN_SNAPSHOT[0] = 0xaf; // a text of 15 bytes in MessagePack

/** Whether a region was made with room for the names. @param {import("./instance.js").Core} core @param {number} view */
export function hasRoom(core, view) {
  return core.exports.cs_counter_find(view, core.scratch, core.putName(MARK), core.out) === C.CS_OK;
}

/** Whether a snapshot is of a region that was made with room for the names. @param {Uint8Array} bytes */
export function madeWithRoom(bytes) {
  for (let at = bytes.indexOf(IN_SNAPSHOT[0]); at >= 0; at = bytes.indexOf(IN_SNAPSHOT[0], at + 1))
    if (IN_SNAPSHOT.every((byte, i) => bytes[at + i] === byte)) return true;
  return false;
}

/** What there is of something for the names alone. @param {string} name such as "counters" @param {boolean} reserved */
export const ownRoom = (name, reserved) => (reserved ? (ROOM[name] ?? 0) : 0);

/** What a region has for its user, of what it has. @param {Config} config @param {boolean} reserved @returns {Config} */
export function withoutRoom(config, reserved) {
  const less = Object.entries(config).map(([name, value]) => [name, Math.max(0, value - ownRoom(name, reserved))]);
  return /** @type {Config} */ (Object.fromEntries(less));
}

/** What a region must have that its user may have so much of something. @param {string} name @param {number} value @param {boolean} reserved */
export const withRoom = (name, value, reserved) => Math.min(value + ownRoom(name, reserved), Math.max(value, MOST));
