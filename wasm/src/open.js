/** Opening, attaching, restoring. */
import { NotSharedError, ReadOnlyError } from "./errors.js";
import { loadModule } from "./load.js";
import { realm } from "./realm.js";
import { Region } from "./region.js";
import { madeWithRoom } from "./reserved.js";
import { asBytes, fillFromSnapshot, probeSnapshot } from "./snapshot.js";
import { canShare } from "./sharing.js";
import { State } from "./state.js";
import { take } from "./storage.js";

/** @typedef {import("../generated/core.js").Config} Config */
/**
 * @typedef {object} OpenOptions
 * @property {string} [name] of the region: what `save` keeps it under and messages call it
 * @property {boolean} [shared] whether other workers can attach; true is a NotSharedError where memory cannot be shared; if not
 *   given, as it can be here
 * @property {Partial<Config>} [config] how much of everything it has room for; the defaults if not given
 */

/** @param {boolean | undefined} shared @param {string} what */
export function decide(shared, what) {
  const possible = canShare();
  if (shared && !possible) throw new NotSharedError(what, { found: `crossOriginIsolated = ${/** @type {any} */ (globalThis).crossOriginIsolated}` });
  return shared ?? possible;
}

/**
 * Make a region in a memory of its own.
 * @param {OpenOptions} [options]
 * @returns {Promise<State>}
 * @throws {NotSharedError | OutOfRangeError | InvalidError | TooBigError | StorageError | UnsupportedError}
 */
export async function open(options = {}) {
  return make(options, false);
}

/** @param {OpenOptions} options @param {boolean} reserved whether with room for what Python's durable parts have */
async function make({ name = "", shared, config }, reserved) {
  const share = decide(shared, `open ${JSON.stringify(name)}`);
  const [module] = await Promise.all([loadModule(share), realm.ready]);
  return new State(Region.create({ module, shared: share, config, name, reserved }), module);
}

/**
 * Attach to a region that another page or worker of this page has opened.
 * @param {import("./region.js").Handle} handle what its `state.handle` gave: a shared memory, and where the region starts
 * @param {{mode?: "rw" | "r"}} [options] with mode "r" it takes no participant slot and cannot write; the handle's own if not given
 * @returns {Promise<State>}
 * @throws {ReadOnlyError} mode "rw" of a region whose handle is for reading, such as a mirror's
 * @throws {NotSharedError | NotRegionError | BuildMismatchError | LayoutVersionError | TruncatedError | ParticipantsFullError}
 */
export async function attach(handle, { mode = handle.mode } = {}) {
  const { memory, base, name, module } = handle;
  if (mode === "rw" && handle.mode === "r") throw new ReadOnlyError("attach", { found: "a handle for reading, as a mirror's is", advice: 'attach with mode "r"; changes are for its source to make' }); // prettier-ignore
  const [core] = await Promise.all([module ?? loadModule(true), realm.ready]);
  return new State(Region.attach({ module: core, memory, base, mode, name }), core);
}

/**
 * Make a region from a snapshot, taken here or by Python on a host.
 * @param {Uint8Array | ArrayBuffer} bytes
 * @param {OpenOptions} [options] `config`: its sizes; those of the region it was taken from if not given
 * @returns {Promise<State>}
 * @throws {NotRegionError | LayoutVersionError | TruncatedError | CorruptError} of the snapshot
 * @throws {FullError | TooBigError | NameInvalidError} the config is too small for it
 */
export async function restore(bytes, { name = "", shared, config } = {}) {
  const what = `restoring ${name ? JSON.stringify(name) : "a snapshot"}`;
  const content = asBytes(bytes, what);
  const info = await probe(content, what);
  const state = await make({ name, shared, config: config ?? info.config }, madeWithRoom(content));
  try {
    fillFromSnapshot(state.region, content, what);
    return state;
  } catch (problem) {
    state.close();
    throw problem;
  }
}

/**
 * Make a region from what `state.save()` or an autosave has kept in IndexedDB.
 * @param {string} name under which it was saved, and of the new region
 * @param {Omit<OpenOptions, "name">} [options]
 * @returns {Promise<State | null>} null when nothing is kept under this name
 * @throws {StorageError} IndexedDB is blocked or not there
 * @throws {LayoutVersionError | TruncatedError | CorruptError} of what is kept, which stays there until `forget(name)`
 */
export async function load(name, options = {}) {
  const found = await take(name);
  return found ? restore(found.bytes, { ...options, name }) : null;
}

/**
 * Make a region from the bytes of another: a region's file from a host, what a board's memory held, or `state.image()`. Who
 * was attached there counts as dead; with mode "r" nothing is changed.
 * @param {Uint8Array | ArrayBuffer} bytes
 * @param {{name?: string, shared?: boolean, mode?: "rw" | "r"}} [options]
 * @returns {Promise<State>}
 * @throws {NotRegionError | LayoutVersionError | ByteOrderError | TruncatedError | CorruptError | NotReadyError}
 */
export async function fromImage(bytes, { name = "", shared, mode } = {}) {
  const what = `opening an image ${name && JSON.stringify(name)}`.trimEnd();
  const content = asBytes(bytes, what);
  const share = decide(shared, what);
  const [module] = await Promise.all([loadModule(share), realm.ready]);
  return new State(Region.fromImage({ module, shared: share, bytes: content, mode, name }), module);
}

/**
 * Check a snapshot as a whole (CRC, version, shape) without restoring it. O(size).
 * @param {Uint8Array | ArrayBuffer} bytes
 * @param {string} [what] is being done, for errors
 */
export async function probe(bytes, what = "snapshot") {
  const content = asBytes(bytes, what);
  const module = await loadModule(false);
  const core = Region.scratch(module, false);
  try {
    return probeSnapshot(core, content, what);
  } finally {
    core.close();
  }
}
