/** Snapshots in IndexedDB, one for each name, as the bytes that Python writes to files. */
import { LayoutVersionError, StorageError } from "./errors.js";

const DATABASE = "corestate";
const VERSION = 1;
const STORE = "snapshots";

/**
 * @typedef {object} Saved what is kept under a name
 * @property {Uint8Array} bytes the snapshot
 * @property {number} savedAt milliseconds since the epoch
 */

/** @param {any} problem @param {string} what @returns {Promise<Error>} */
async function explain(problem, what) {
  const found = `${problem?.name ?? "an error"}: ${problem?.message ?? problem}`;
  if (problem?.name === "QuotaExceededError") {
    const { usage = 0 } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
    return new StorageError(what, {
      expected: "room for the snapshot",
      found: `none: the disk is full, or this site has what it may have (it uses ${usage} bytes)`,
      advice: "remove saves with forget(), or ask for persistent storage; what was saved before is still there",
      cause: problem,
    });
  }
  if (problem?.name === "VersionError")
    return new LayoutVersionError(what, {
      expected: `a database of version ${VERSION}, the one this corestate knows`,
      found: "one made by a newer corestate",
      advice: "reload the page with the newer version",
      cause: problem,
    });
  return new StorageError(what, {
    expected: "IndexedDB that this page may use",
    found,
    advice: "allow this site to store data (private windows and sandboxed frames may not), or keep snapshot() elsewhere",
    cause: problem,
  });
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @returns {Promise<IDBDatabase>} */
async function database() {
  const factory = globalThis.indexedDB;
  if (!factory) throw Object.assign(new Error("there is no IndexedDB here"), { name: "NotSupportedError" });
  const request = factory.open(DATABASE, VERSION);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  const found = await settled(request);
  found.onversionchange = () => found.close(); // so that a newer page can have it
  return found;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {string} what
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>} when the transaction is complete
 */
async function transact(mode, what, work) {
  try {
    const opened = await database();
    try {
      const transaction = opened.transaction(STORE, mode, { durability: "strict" });
      const complete = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      const result = settled(work(transaction.objectStore(STORE)));
      const [found] = await Promise.all([result, complete]);
      return found;
    } finally {
      opened.close();
    }
  } catch (problem) {
    throw await explain(problem, what);
  }
}

/** Keep a snapshot under a name, in place of the one before; all of it or nothing. @param {string} name @param {Uint8Array} bytes */
export async function put(name, bytes) {
  /** @type {Saved} */
  const saved = { bytes, savedAt: Date.now() };
  await transact("readwrite", `saving ${JSON.stringify(name)}`, (store) => store.put(saved, name));
}

/** What is kept under a name, or undefined. @param {string} name @returns {Promise<Saved | undefined>} */
export async function take(name) {
  const found = await transact("readonly", `loading ${JSON.stringify(name)}`, (store) => store.get(name));
  if (found === undefined || found?.bytes instanceof Uint8Array) return found;
  throw new StorageError(`loading ${JSON.stringify(name)}`, {
    expected: "what save() has put there",
    found: "something else",
    advice: "remove it with forget()",
  });
}

/** The names under which something is kept. @returns {Promise<string[]>} */
export async function saved() {
  return /** @type {string[]} */ (await transact("readonly", "listing what is saved", (store) => store.getAllKeys()));
}

/** Remove what is kept under a name; nothing there is no error. @param {string} name */
export async function forget(name) {
  await transact("readwrite", `forgetting ${JSON.stringify(name)}`, (store) => store.delete(name));
}
