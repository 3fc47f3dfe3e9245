/** A picture of a region as bytes, and back: the same bytes that Python writes to a file. */
import { constants as C, structs } from "../generated/abi.js";
import { check, errorOf, WrongTypeError } from "./errors.js";
import { Core, sizeOf } from "./instance.js";
import { camel } from "./names.js";
import { madeWithRoom, withoutRoom } from "./reserved.js";

/** @typedef {import("./region.js").Region} Region */
/** @typedef {import("../generated/core.js").Config} Config */
/**
 * What a snapshot says of itself.
 * @typedef {object} SnapshotInfo
 * @property {number} length in bytes
 * @property {bigint} timeNs when it was taken, in ns since the epoch
 * @property {boolean} changed whether anything changed while it was taken; every record is whole all the same
 * @property {number} version of the format
 * @property {number} crc CRC-32C of everything before it
 * @property {Config} config of the region it was taken from
 */
/** @typedef {SnapshotInfo & {bytes: Uint8Array}} Snapshot */

/** @param {Core} core @param {number} address @param {boolean} reserved @returns {SnapshotInfo} */
function infoAt(core, address, reserved) {
  const found = core.read("cs_snapshot_info", address);
  const config = Object.fromEntries(structs.cs_config.fields.map(({ name }) => [camel(name), found.config[name]]));
  return {
    length: Number(found.bytes),
    timeNs: found.time_ns,
    changed: found.changed !== 0,
    version: found.version,
    crc: found.crc,
    config: withoutRoom(/** @type {Config} */ (/** @type {unknown} */ (config)), reserved),
  };
}

/** Take a picture. O(what is in the region). @param {Region} region @returns {Snapshot} */
export function takeSnapshot(region) {
  const { core } = region;
  const view = region.view || region.gone();
  const info = core.allocate(sizeOf("cs_snapshot_info"));
  try {
    check(core.soon(() => core.exports.cs_wasm_snapshot(view, core.out, core.out + 8, info)), "taking a snapshot");
    core.grown();
    const address = core.data.getUint32(core.out, true);
    const bytes = core.copy(address, core.data.getUint32(core.out + 8, true));
    core.free(address);
    return { bytes, ...infoAt(core, info, region.reserved) };
  } finally {
    core.free(info);
  }
}

/** @param {number} code @param {Core} core @param {number} info @param {string} what */
function judge(code, core, info, what) {
  const version = core.u32("cs_snapshot_info", info, "version");
  if (code === C.CS_E_VERSION)
    return errorOf(code, what, {
      expected: `snapshot version ${C.CS_SNAPSHOT_VERSION}, the one this corestate reads and writes`,
      found: `version ${version}`,
      advice: "restore it with the corestate that wrote it",
    });
  if (code === C.CS_E_NOT_REGION) return errorOf(code, what, { expected: "a snapshot", found: "something else" });
  if (code === C.CS_E_TRUNCATED) return errorOf(code, what, { expected: "a whole snapshot", found: "one cut short" });
  if (code === C.CS_E_CORRUPT)
    return errorOf(code, what, { expected: "content that agrees with its CRC-32C", found: "content that does not" });
  return errorOf(code, what);
}

/** @template T @param {Core} core @param {Uint8Array} bytes @param {(address: number) => T} work @returns {T} */
function inMemory(core, bytes, work) {
  const address = core.allocate(bytes.length || 1);
  try {
    core.bytes.set(bytes, address);
    return work(address);
  } finally {
    core.free(address);
  }
}

/** @param {unknown} bytes @param {string} what @returns {Uint8Array} */
export function asBytes(bytes, what) {
  if (bytes instanceof Uint8Array) return bytes;
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  throw new WrongTypeError(what, { expected: "a Uint8Array or an ArrayBuffer", found: String(bytes) });
}

/** Check a snapshot as a whole: CRC, version, shape. O(size). @param {Core} core @param {Uint8Array} bytes @param {string} what @returns {SnapshotInfo} */
export function probeSnapshot(core, bytes, what) {
  const info = core.allocate(sizeOf("cs_snapshot_info"));
  try {
    return inMemory(core, bytes, (address) => {
      const code = core.exports.cs_snapshot_probe(address, BigInt(bytes.length), info);
      if (code < 0) throw judge(code, core, info, what);
      return infoAt(core, info, madeWithRoom(bytes));
    });
  } finally {
    core.free(info);
  }
}

/** Put a snapshot into a new region that nobody else uses yet. @param {Region} region @param {Uint8Array} bytes @param {string} what */
export function fillFromSnapshot(region, bytes, what) {
  const { core } = region;
  inMemory(core, bytes, (address) => check(core.exports.cs_snapshot_restore(region.view, address, BigInt(bytes.length)), what));
}
