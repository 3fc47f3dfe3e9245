/**
 * One instance of the core on one memory: its seat, its scratch space, structs read and written by name, and waiting.
 *
 * An instance belongs to the thread that made it. Addresses and struct offsets come from the core; see generated/abi.js.
 */
import { constants, structs, variants } from "../generated/abi.js";
import { errorOf, NotSharedError, TooBigError } from "./errors.js";
import { realm } from "./realm.js";
import { decode, encode } from "./text.js";
import { wordChanged, Woken } from "./wait.js";

/** @typedef {import("../generated/core.js").CoreExports} CoreExports */
/** @typedef {keyof typeof structs} StructName */
/** @typedef {{kind: string, count: number, offset: number}} Place */

const FOREVER = constants.CS_FOREVER;
const SCRATCH_BYTES = 4096;
const NAME_BYTES = constants.CS_NAME_MAX + 1;
/** How long a call that may not sleep tries again when a peer is at work for a moment. */
const PATIENCE_MS = 50;

/** Where the fields of each struct are, by name. */
const PLACES = /** @type {Record<StructName, Record<string, Place>>} */ (
  /** @type {unknown} */ (Object.fromEntries(
    Object.entries(structs).map(([name, { fields }]) => [name, Object.fromEntries(fields.map((field) => [field.name, field]))]),
  ))
);

/** @param {StructName} name */
export const sizeOf = (name) => structs[name].size;

/** Where a field of a struct is, in bytes from its start. @param {StructName} name @param {string} field */
export function offsetOf(name, field) {
  const place = PLACES[name][field];
  if (!place) throw new Error(`${name} has no field ${field}`);
  return place.offset;
}

/** Whether this thread may sleep: workers may, a page's own thread and some special workers may not. */
export const MAY_BLOCK = (() => {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return 1;
  } catch {
    return 0;
  }
})();

/** Sleep without anybody to wake, for the build without threads. @param {number} ms */
function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const ORIGIN = performance.timeOrigin;

export class Core {
  /** @type {WebAssembly.Memory} */
  memory;
  /** @type {CoreExports} */
  exports;
  /** Whether other threads can share this memory. */
  shared;
  closed = false;
  /** Space for arguments and results of one call. */
  scratch = 0;
  /** Two results of up to 8 bytes, apart from the scratch space, which names take. */
  out = 0;
  /** Views of the memory; see grown(). */
  data;
  bytes;
  words;
  #woken = new Woken();
  #rounds = 0;

  /**
   * @param {WebAssembly.Module} module
   * @param {WebAssembly.Memory} memory
   * @param {boolean} shared
   * @param {() => number} [now] milliseconds since the epoch
   */
  constructor(module, memory, shared, now = () => ORIGIN + performance.now()) {
    this.memory = memory;
    this.shared = shared;
    const instance = new WebAssembly.Instance(module, {
      env: { memory },
      corestate: {
        now,
        coarse: () => Date.now(),
        monotonic: () => performance.now(),
        random: () => crypto.getRandomValues(new BigUint64Array(1))[0],
        sleep,
        woken: (/** @type {number} */ word) => this.#woken.wake(word),
      },
    });
    this.exports = /** @type {CoreExports} */ (/** @type {unknown} */ (instance.exports));
    this.data = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    this.#sit();
    this.scratch = this.allocate(SCRATCH_BYTES);
    this.out = this.allocate(16);
    if (shared) realm.watch(this);
  }

  #sit() {
    const { exports } = this;
    const { __stack_pointer: stack } = exports;
    stack.value = 0; // nothing may use a stack before there is one; the linker's own is everybody's
    const random = crypto.getRandomValues(new BigUint64Array(1))[0];
    const seat = exports.cs_wasm_sit(realm.number, random, MAY_BLOCK) >>> 0;
    if (!seat) throw this.noRoom();
    stack.value = exports.cs_wasm_stack(seat);
    exports.__wasm_init_tls?.(exports.cs_wasm_locals(seat));
    exports.cs_wasm_begin(seat);
  }

  /** Give the seat back. Nothing may be called after it. */
  close() {
    if (this.closed) return;
    this.closed = true;
    realm.unwatch(this);
    this.#woken.all();
    this.exports.cs_wasm_stand_up();
  }

  noRoom() {
    return new TooBigError("memory of the region", {
      expected: "room for one more page or worker, or for what was asked",
      found: `${this.memory.buffer.byteLength} bytes, which cannot grow`,
      advice: "close what is no longer needed, or open the region with a smaller config",
    });
  }

  // -- memory ----------------------------------------------------------------------------------

  /**
   * After whatever may have made the memory grow: views of one that is not shared are void then, and what was given out
   * may lie behind the end of those there are. Other threads may make it grow, too, but not under anything of ours.
   */
  grown() {
    const { buffer } = this.memory;
    if (this.data.buffer === buffer) return;
    this.data = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }

  /** Bytes of this instance's own, zero. @param {number} size @returns {number} their address */
  allocate(size) {
    const address = this.exports.cs_wasm_allocate(size) >>> 0;
    if (!address) throw this.noRoom();
    this.grown();
    return address;
  }

  /** @param {number} address of allocate(); 0 is nothing */
  free(address) {
    if (!this.closed) this.exports.cs_wasm_free(address);
  }

  /** A copy of bytes. @param {number} address @param {number} length */
  copy(address, length) {
    return this.bytes.slice(address, address + length);
  }

  /** @param {number} address @param {number} length of UTF-8 */
  text(address, length) {
    return decode(this.bytes.subarray(address, address + length));
  }

  /** A NUL-terminated string of the core's own; "" for null. @param {number} address */
  string(address) {
    if (!address) return "";
    return this.text(address >>> 0, this.bytes.indexOf(0, address >>> 0) - (address >>> 0));
  }

  /** Put bytes into the scratch space. @param {Uint8Array} bytes @returns {number} their address */
  put(bytes) {
    this.bytes.set(bytes, this.scratch);
    return this.scratch;
  }

  /**
   * Put a name into the scratch space. One that is too long for it is cut, and still too long for any table.
   * @param {string} name @returns {number} its length in bytes
   */
  putName(name) {
    const encoded = encode(name).subarray(0, 2 * NAME_BYTES);
    this.put(encoded);
    return encoded.length;
  }

  // -- structs ---------------------------------------------------------------------------------

  /** @param {StructName} name @param {number} address @param {string} field @returns {number} a field of up to 32 bits */
  u32(name, address, field) {
    return this.data.getUint32(address + offsetOf(name, field), true);
  }

  /** @param {StructName} name @param {number} address @param {string} field @returns {bigint} */
  u64(name, address, field) {
    return this.data.getBigUint64(address + offsetOf(name, field), true);
  }

  /** A whole struct: numbers of 64 bits as BigInt, arrays as arrays, text fields as strings. @param {StructName} name @param {number} address */
  read(name, address) {
    const { data } = this;
    /** @type {Record<string, any>} */
    const found = {};
    for (const { name: field, kind, count, offset } of structs[name].fields) {
      const at = address + offset;
      if (kind === "i8") found[field] = this.string(at);
      else if (count > 1) found[field] = Array.from({ length: count }, (_, i) => this.#value(data, kind, at, i));
      else found[field] = this.#value(data, kind, at, 0);
    }
    return found;
  }

  /** @param {DataView} data @param {string} kind @param {number} at @param {number} index @returns {any} */
  #value(data, kind, at, index) {
    if (kind === "u64") return data.getBigUint64(at + 8 * index, true);
    if (kind === "u32" || kind === "pointer") return data.getUint32(at + 4 * index, true);
    return this.read(/** @type {StructName} */ (kind), at);
  }

  /** @param {StructName} name @param {number} address @param {Record<string, number | bigint>} values */
  write(name, address, values) {
    const { data } = this;
    for (const [field, value] of Object.entries(values)) {
      const { kind, offset } = PLACES[name][field];
      if (kind === "u64") data.setBigUint64(address + offset, BigInt(value), true);
      else data.setUint32(address + offset, Number(value), true);
    }
  }

  // -- waiting ---------------------------------------------------------------------------------

  /**
   * Make a call whose own short waits may find somebody alive at work, which where sleeping is forbidden the core can only
   * say: then it is made again, for a moment.
   * @param {() => number} call
   * @returns {number}
   */
  soon(call) {
    const code = call();
    if (code !== constants.CS_E_BUSY || MAY_BLOCK) return code;
    const until = performance.now() + PATIENCE_MS;
    let again = code;
    while (again === constants.CS_E_BUSY && performance.now() < until) again = call();
    return again;
  }

  /**
   * Make a call that waits, without keeping this thread from its other work.
   * @param {(timeoutNs: bigint) => number} call of the core
   * @param {number} timeoutMs Infinity: without bound
   * @param {(() => void)} [often] called now and then during a long wait
   * @returns {Promise<number>} its result
   */
  async wait(call, timeoutMs, often) {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.closed) return constants.CS_E_CLOSED;
      const { code, asleep } = this.tryWait(call, nanoseconds(Math.max(0, deadline - performance.now())));
      if (!asleep) return code;
      if (++this.#rounds % 8 === 0) often?.();
      await asleep;
    }
  }

  /**
   * The call, told that it may not sleep.
   * @param {(timeoutNs: bigint) => number} call
   * @param {bigint} timeoutNs
   * @returns {{code: number, asleep: Promise<void> | null}} when to make it again, if it would have slept
   */
  tryWait(call, timeoutNs) {
    const { exports } = this;
    const before = exports.cs_wasm_may_block(0);
    try {
      const code = call(timeoutNs);
      return { code, asleep: code === constants.CS_E_BUSY ? this.asleep() : null };
    } finally {
      exports.cs_wasm_may_block(before);
    }
  }

  /** Over when what the last call would have slept on is over; null when it did not get as far as that. */
  asleep() {
    const { exports } = this;
    const ms = exports.cs_wasm_awaited_ms();
    return ms > 0 ? this.#asleep(exports.cs_wasm_awaited() >>> 0, exports.cs_wasm_awaited_value() | 0, ms) : null;
  }

  /** @param {number} word @param {number} value @param {number} ms */
  #asleep(word, value, ms) {
    if (!word) return new Promise((/** @type {(nothing: void) => void} */ resolve) => setTimeout(resolve, ms));
    if (this.shared) return wordChanged(this.words, word >>> 2, value, ms);
    return this.#woken.wait(word, () => this.words[word >>> 2] === value, ms);
  }

  /**
   * Make a call that waits, and sleep in it.
   * @param {(timeoutNs: bigint) => number} call
   * @param {number} timeoutMs
   * @param {string} what is being waited for, for the error where sleeping is forbidden
   */
  waitSync(call, timeoutMs, what) {
    if (!MAY_BLOCK && timeoutMs > 0)
      throw errorOf(constants.CS_E_UNSUPPORTED, what, {
        expected: "a thread that may sleep",
        found: "a page's own thread",
        advice: "await it, or do it in a worker",
      });
    return call(nanoseconds(timeoutMs));
  }

  // -- who lives -------------------------------------------------------------------------------

  /** @param {number} number */
  bury(number) {
    if (!this.closed && this.exports.cs_wasm_bury(number)) this.onDeath?.();
  }

  /** Called when somebody who shared this memory was found dead. @type {(() => void) | undefined} */
  onDeath;

  realms() {
    const found = [];
    for (let index = 0; !this.closed; index++) {
      const number = this.exports.cs_wasm_realm(index);
      if (number < 0n) break;
      if (number > 0n) found.push(Number(number));
    }
    return found;
  }

  /** Which memory this is, to tell others. */
  get id() {
    return this.exports.cs_wasm_memory().toString(16);
  }

  /** For a memory that must be shared and is not. @param {string} what */
  static notShared(what) {
    return new NotSharedError(what);
  }
}

/** @param {number} ms @returns {bigint} as the core counts */
export function nanoseconds(ms) {
  return ms < 1e12 ? BigInt(Math.floor(ms * 1e6)) : FOREVER;
}

/** What a build needs of a new memory, and how to know one it made. */
export const BUILDS = variants;
