/**
 * The core for Python in Pyodide, which evaluates this as one script, hands over the compiled modules' bytes, and passes
 * numbers and addresses; what the bytes at those addresses mean it is told by `description`.
 */
import { constants, functions, structs } from "../generated/abi.js";
import { explain } from "./explain.js";
import { Core, MAY_BLOCK } from "./instance.js";
import { realm } from "./realm.js";
import { Region } from "./region.js";
import { canShare } from "./sharing.js";

/** Constants, structs and functions as JSON; numbers beyond 2^53 as decimal strings. */
export const description = JSON.stringify({ constants, structs, functions }, (_, value) => (typeof value === "bigint" ? String(value) : value));

export { canShare };

/** What this page or worker lets us do. */
export const abilities = () => ({ share: canShare(), sleep: MAY_BLOCK !== 0, watch: realm.watches });

/** Resolved when this worker's end can be seen by others. */
export const ready = realm.ready;

const WIDE = /^(u?int64_t|cs_handle)$/;
const UNSIGNED = /^(uint64_t|cs_handle)$/;
/** Those that wait, and those for which busy is an answer: they are made once. */
const ONCE = /_(wait|acquire|lock|try)$/;
const PAGE = 65536;

/** A core and what Python needs beside its exports. */
export class Library {
  /** @type {Core} */
  core;
  shut = false;
  /** Where its region's room is, and how much, if that was made here. */
  base = 0;
  room = 0;
  #handed = false;

  /** @param {Core} core */
  constructor(core) {
    this.core = core;
  }

  /**
   * An export as a function of plain numbers: wide arguments become BigInt, unsigned wide results are unsigned.
   * @param {string} name
   * @returns {((...args: any[]) => any) | null} null: this build has no such call
   */
  call(name) {
    const target = /** @type {any} */ (this.core.exports)[name];
    if (!target) return null;
    const { parameters, result } = /** @type {any} */ (functions)[name];
    const wide = parameters.map((/** @type {{type: string}} */ { type }) => WIDE.test(type));
    if (UNSIGNED.test(result)) return (...args) => BigInt.asUintN(64, target(...convert(args, wide)));
    const direct = wide.includes(true) ? (/** @type {any[]} */ ...args) => target(...convert(args, wide)) : target;
    if (MAY_BLOCK || result !== "int" || ONCE.test(name)) return direct;
    return (...args) => this.core.soon(() => direct(...args));
  }

  /** @param {number} size */
  allocate(size) {
    return this.core.allocate(size);
  }

  /** @param {number} address */
  free(address) {
    this.core.free(address);
  }

  /** The bytes themselves: good until the memory grows, which `generation` shows. @param {number} address @param {number} size */
  view(address, size) {
    return this.core.bytes.subarray(address, address + size);
  }

  /** How large the memory is: views of a memory that is not shared are void when this has changed. */
  generation() {
    this.core.grown();
    return this.core.memory.buffer.byteLength;
  }

  /** @param {number} address of a NUL-terminated string */
  string(address) {
    return this.core.string(address);
  }

  /** Before a call that waits: forget what an earlier one would have slept on. */
  forget() {
    this.mayBlock(this.mayBlock(false));
  }

  /** After one that said it is busy: when to call again, if it would have slept where it may not; else null. */
  asleep() {
    return this.core.asleep();
  }

  /** Whether calls that wait may sleep from now on. @param {boolean} may @returns {boolean} what it was */
  mayBlock(may) {
    return this.core.exports.cs_wasm_may_block(Number(may)) !== 0;
  }

  /** @param {number} base @param {string} name @returns {import("./region.js").Handle} what `attach` takes */
  handle(base, name) {
    this.#handed = true;
    return { memory: this.core.memory, base, name, mode: "rw" };
  }

  /**
   * A read of one cell that Python makes often: a function of nothing, which gives NaN once the region is closed, and
   * negative zero as text.
   * @param {string} name of an export that takes a view and a key
   * @param {...number} key a field; or the halves of a handle
   */
  reader(name, ...key) {
    const read = /** @type {any} */ (this.core.exports)[name];
    const [view, first, second] = key;
    return () => (this.shut ? NaN : signed(read(view, first, second)));
  }

  /** No reader reads from now on. */
  shutReaders() {
    this.shut = true;
  }

  close() {
    if (this.room && !this.#handed && spare.length < MOST_SPARE) spare.push(this);
    else this.core.close();
  }
}

/**
 * Cores whose regions were closed and that nobody else could have attached to. A memory reserves much of the address space
 * until it is collected, which may be long after; so the next region takes one over.
 * @type {Library[]}
 */
const spare = [];
const MOST_SPARE = 8;

/** Pyodide makes an int of every whole number, and an int has no negative zero. @param {any} value */
const signed = (value) => (value === 0 && Object.is(value, -0) ? "-0.0" : value);

/** @param {any[]} args @param {boolean[]} wide */
const convert = (args, wide) => args.map((arg, i) => (wide[i] ? BigInt(arg) : arg));

/** @param {Uint8Array} bytes @returns {WebAssembly.Module} */
export function compile(bytes) {
  try {
    return new WebAssembly.Module(/** @type {BufferSource} */ (bytes));
  } catch (problem) {
    throw explain(problem, "the package");
  }
}

/** A core on a memory of its own. @param {WebAssembly.Module} module @param {boolean} shared */
export function privateLibrary(module, shared) {
  return new Library(Region.scratch(module, shared, Date.now));
}

/** The same with zeroed room for a region, at `base`. @param {WebAssembly.Module} module @param {boolean} shared @param {number} size */
export function regionLibrary(module, shared, size) {
  const found = spare.findIndex((one) => one.core.shared === shared && one.room >= size);
  const old = found < 0 ? null : spare.splice(found, 1)[0];
  const library = old ? new Library(old.core) : privateLibrary(module, shared);
  library.room = old ? old.room : Math.ceil(size / PAGE) * PAGE;
  try {
    library.base = old ? old.base : library.core.memory.grow(library.room / PAGE) * PAGE;
  } catch {
    library.core.close();
    throw library.core.noRoom();
  }
  library.core.grown();
  if (old) library.core.bytes.fill(0, library.base, library.base + library.room);
  return library;
}

/** A core on the memory of a region that JavaScript has opened. @param {WebAssembly.Module} module @param {import("./region.js").Handle} handle */
export function attachedLibrary(module, handle) {
  const { memory, base } = handle;
  Region.recognize(memory, base);
  const core = new Core(module, memory, true, Date.now); // as Python's own clock is here
  try {
    return { library: new Library(core), base, size: Region.sizeAt(core, base), name: handle.name ?? "" };
  } catch (problem) {
    core.close();
    throw problem;
  }
}
