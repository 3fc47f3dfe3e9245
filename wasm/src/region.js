/** One attachment of this page or worker to one region: the bytes, the core on them, and what everything else asks of it. */
import { constants, structs } from "../generated/abi.js";
import { BuildMismatchError, check, ClosedError, errorOf, InvalidError, NotRegionError, OutOfRangeError, shown, TooBigError, TruncatedError, WrongTypeError } from "./errors.js"; // prettier-ignore
import { BUILDS, Core, sizeOf } from "./instance.js";
import { camel } from "./names.js";
import { hasRoom, withRoom } from "./reserved.js";

/** @typedef {import("../generated/core.js").Config} Config */
/** @typedef {"rw" | "r"} Mode */
/**
 * What a region is handed to another worker as: `postMessage` takes it.
 * @typedef {{memory: WebAssembly.Memory, base: number, name?: string, mode?: Mode, module?: WebAssembly.Module}} Handle
 */

const PAGE = 65536;
const MOST_PAGES = 65536;
const MAGIC = 0x6d736177_65726f63n; // "corewasm"
const CONFIG_FIELDS = structs.cs_config.fields.map(({ name }) => ({ name, key: camel(name) }));

/** Gives back what the garbage collector finds unclosed. */
const forgotten = new FinalizationRegistry((/** @type {Attachment} */ attachment) => end(attachment));

/** @typedef {{core: Core, view: number, borrowed: boolean}} Attachment `borrowed`: the core goes on without it */

/** @param {Attachment} attachment */
function end({ core, view, borrowed }) {
  if (core.closed) return;
  core.exports.cs_region_close(view);
  core.exports.cs_region_detach(view);
  if (borrowed) core.free(view);
  else core.close();
}

/** Memory that can become as large as this machine allows, with a mark by which `attach` knows it. @param {number} pages @param {boolean} shared */
function newMemory(pages, shared) {
  for (let maximum = MOST_PAGES; ; maximum /= 4) {
    try {
      const memory = new WebAssembly.Memory({ initial: pages, maximum, shared });
      const mark = new DataView(memory.buffer, constants.CS_WASM_MARK, 16);
      mark.setBigUint64(0, MAGIC, true);
      mark.setBigUint64(8, BUILDS[shared ? "threads" : "single"].build, true);
      return memory;
    } catch (problem) {
      if (maximum / 4 >= pages * 4) continue; // a small machine has no room to reserve so much
      throw new TooBigError("memory for a region", { expected: `${pages * PAGE} bytes of memory`, found: String(problem), advice: "close what is no longer needed" }); // prettier-ignore
    }
  }
}

/** Insist on the fields the core knows, as numbers. @param {Partial<Config>} config */
function checkConfig(config) {
  const known = CONFIG_FIELDS.map(({ key }) => key);
  for (const [key, value] of Object.entries(config)) {
    if (!known.includes(key))
      throw new InvalidError(`config.${key}`, { expected: `one of ${known.join(", ")}`, found: key, advice: "check its spelling" });
    if (typeof value !== "number")
      throw new WrongTypeError(`config.${key}`, { expected: "a whole number", found: shown(value) });
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
      throw new OutOfRangeError(`config.${key}`, { expected: "a whole number of 0 to 2^32 - 1", found: String(value) });
  }
}

export class Region {
  /** @type {Core} */
  core;
  /** Where the region starts in the memory. */
  base;
  /** Bytes. */
  size;
  /** @type {Mode} */
  mode;
  name;
  /** @type {Config} What the region has, whatever was asked for; what its user may have of that is `state.config`. */
  config;
  /** Random, one a region, as 32 hexadecimal digits. */
  instance;
  /** Address of the core's `cs_region`, 0 once closed. */
  view = 0;
  #borrowed;
  #reserved = false;

  /**
   * @param {Core} core
   * @param {number} base
   * @param {number} size
   * @param {Mode} mode
   * @param {string} name
   * @param {boolean} [borrowed] whether the core is somebody else's, who closes it
   */
  constructor(core, base, size, mode, name, borrowed = false) {
    this.core = core;
    this.base = base;
    this.size = size;
    this.mode = mode;
    this.name = name;
    const { exports } = core;
    const view = core.allocate(sizeOf("cs_region"));
    const flags = mode === "r" ? constants.CS_READ_ONLY : 0;
    check(exports.cs_region_attach(view, base, BigInt(size), flags, -1n), `attaching to the region ${this}`);
    this.view = view;
    this.#borrowed = borrowed;
    const info = Region.#describe(core, view);
    this.config = /** @type {Config} */ (
      Object.fromEntries(CONFIG_FIELDS.map(({ name: field, key }) => [key, info.config[field]]))
    );
    this.instance = [info.instance[1], info.instance[0]].map((half) => half.toString(16).padStart(16, "0")).join("");
    core.onDeath = () => void (mode === "rw" && this.view && exports.cs_sweep(this.view));
    forgotten.register(this, { core, view, borrowed }, this);
  }

  /** @param {Core} core @param {number} view */
  static #describe(core, view) {
    const info = core.allocate(sizeOf("cs_region_info"));
    check(core.exports.cs_region_describe(view, info), "describing the region");
    const found = core.read("cs_region_info", info);
    core.free(info);
    return found;
  }

  /**
   * A new region in a memory of its own.
   * @param {{module: WebAssembly.Module, shared: boolean, config?: Partial<Config>, name?: string, reserved?: boolean}} options
   */
  static create({ module, shared, config = {}, name = "", reserved = false }) {
    checkConfig(config);
    const core = Region.scratch(module, shared);
    try {
      const { base, size } = Region.#format(core, config, reserved);
      return new Region(core, base, size, "rw", name);
    } catch (problem) {
      core.close();
      throw problem;
    }
  }

  /**
   * The core without a region, on a memory of its own.
   * @param {WebAssembly.Module} module
   * @param {boolean} shared whether of the build with threads
   * @param {() => number} [now] see Core
   */
  static scratch(module, shared, now) {
    return new Core(module, newMemory(BUILDS[shared ? "threads" : "single"].pages, shared), shared, now);
  }

  /** @param {Core} core @param {Partial<Config>} config @param {boolean} reserved */
  static #format(core, config, reserved) {
    const { exports } = core;
    const chosen = core.allocate(sizeOf("cs_config"));
    exports.cs_config_default(chosen);
    for (const { name, key } of CONFIG_FIELDS) {
      const value = config[/** @type {keyof Config} */ (key)] ?? core.u32("cs_config", chosen, name);
      core.write("cs_config", chosen, { [name]: withRoom(name, value, reserved) });
    }
    const code = exports.cs_config_check(chosen, core.out);
    if (code < 0) {
      const field = camel(core.string(core.data.getUint32(core.out, true)));
      const found = String(config[/** @type {keyof Config} */ (field)]);
      throw errorOf(code, `config.${field}`, { expected: "a value within the bounds region.h gives", found });
    }
    const size = Number(exports.cs_region_size(chosen));
    let base;
    try {
      base = core.memory.grow(Math.ceil(size / PAGE)) * PAGE;
      core.grown();
    } catch (problem) {
      throw new TooBigError("a region of this config", { expected: `${size} bytes of memory`, found: String(problem), advice: "ask for less" }); // prettier-ignore
    }
    check(exports.cs_region_format(base, BigInt(size), chosen, constants.CS_ZEROED), "making a region");
    core.free(chosen);
    return { base, size };
  }

  /**
   * A copy of a region's bytes, in a memory of its own. Participants of where it comes from count as dead.
   * @param {{module: WebAssembly.Module, shared: boolean, bytes: Uint8Array, mode?: Mode, name?: string}} options
   */
  static fromImage({ module, shared, bytes, mode = "rw", name = "" }) {
    const core = Region.scratch(module, shared);
    try {
      const base = core.memory.grow(Math.max(1, Math.ceil(bytes.length / PAGE))) * PAGE;
      core.grown();
      core.bytes.set(bytes, base);
      const size = Region.sizeAt(core, base, bytes.length);
      if (size !== bytes.length) throw new TruncatedError("opening an image", { expected: `the ${size} bytes its header says`, found: `${bytes.length}` }); // prettier-ignore
      return new Region(core, base, size, mode, name);
    } catch (problem) {
      core.close();
      throw problem;
    }
  }

  /**
   * What a mirror keeps: a region that only it writes, on its core.
   * @param {{core: Core, base: number, size: number, name?: string}} options
   */
  static mirrored({ core, base, size, name = "" }) {
    return new Region(core, base, size, "r", name, true);
  }

  /**
   * Attach to a region in a shared memory.
   * @param {{module: WebAssembly.Module, memory: WebAssembly.Memory, base: number, mode?: Mode, name?: string}} options
   */
  static attach({ module, memory, base, mode = "rw", name = "" }) {
    if (mode !== "rw" && mode !== "r")
      throw new InvalidError("mode", { expected: '"rw" or "r"', found: String(mode), advice: "pass one of these" });
    Region.recognize(memory, base);
    const core = new Core(module, memory, true);
    try {
      return new Region(core, base, Region.sizeAt(core, base), mode, name);
    } catch (problem) {
      core.close();
      throw problem;
    }
  }

  /** Before anything runs on this memory: is it one of ours, of this very build? @param {WebAssembly.Memory} memory @param {number} base */
  static recognize(memory, base) {
    if (!(memory instanceof WebAssembly.Memory))
      throw new WrongTypeError("attach", { expected: "a WebAssembly.Memory", found: String(memory), advice: "pass on what state.handle gave" }); // prettier-ignore
    const buffer = /** @type {ArrayBuffer | SharedArrayBuffer} */ (memory.buffer);
    if (typeof SharedArrayBuffer === "undefined" || !(buffer instanceof SharedArrayBuffer)) throw Core.notShared("attach");
    const { pages, build } = BUILDS.threads;
    const length = buffer.byteLength;
    if (length < pages * PAGE)
      throw new TruncatedError("attach", { expected: `at least ${pages * PAGE} bytes of memory`, found: `${length}`, advice: "pass on what state.handle gave" }); // prettier-ignore
    const mark = new DataView(new Uint8Array(buffer).slice(constants.CS_WASM_MARK, constants.CS_WASM_MARK + 16).buffer);
    if (mark.getBigUint64(0, true) !== MAGIC)
      throw new NotRegionError("attach", { expected: "a memory made by corestate", found: "another program's" });
    if (mark.getBigUint64(8, true) !== build) throw new BuildMismatchError("attach");
    if (!Number.isInteger(base) || base <= 0 || base % 64 || base >= length)
      throw new TruncatedError("attach", { expected: `a base of 64 to ${length - 64}, a multiple of 64`, found: String(base), advice: "pass on what state.handle gave" }); // prettier-ignore
  }

  /** The size of the region at an address, as its header says. @param {Core} core @param {number} base @param {number} [length] of what is there */
  static sizeAt(core, base, length = core.memory.buffer.byteLength - base) {
    const info = core.allocate(sizeOf("cs_region_info"));
    const code = core.exports.cs_region_probe(base, BigInt(length), info);
    const { size, version, byte_order: order } = core.read("cs_region_info", info);
    core.free(info);
    if (code === constants.CS_E_VERSION)
      throw errorOf(code, "attach", {
        expected: `layout version ${constants.CS_LAYOUT_VERSION}, the one this corestate reads and writes`,
        found: `version ${version}, made by ${version > constants.CS_LAYOUT_VERSION ? "a newer" : "an older"} corestate`,
      });
    if (code === constants.CS_E_BYTE_ORDER) throw errorOf(code, "attach", { found: `byte order mark ${order.toString(16)}` });
    if (code === constants.CS_E_TRUNCATED && size > BigInt(length))
      throw errorOf(code, "attach", { expected: `the ${size} bytes its header says`, found: `${length}` });
    if (code !== constants.CS_E_TRUNCATED) check(code, "attach"); // what follows the region in the memory is not its own
    return Number(size);
  }

  get closed() {
    return this.view === 0;
  }

  /** Whether it was made with room for what Python's durable parts have. That is in the region, which at a mirror fills up. */
  get reserved() {
    return (this.#reserved ||= this.view !== 0 && hasRoom(this.core, this.view));
  }

  /** The view, for who finds it 0. @returns {never} */
  gone() {
    throw new ClosedError(`region ${this}`);
  }

  /** What `attach` takes in another worker. @returns {Handle} */
  get handle() {
    if (!this.core.shared) throw Core.notShared("handle of a region");
    return { memory: this.core.memory, base: this.base, name: this.name, mode: this.mode };
  }

  /** A copy of all its bytes as they are now: an image. */
  image() {
    if (!this.view) this.gone();
    return this.core.copy(this.base, this.size);
  }

  /** Give the participant slot and the seat back. Idempotent. */
  close() {
    if (!this.view) return;
    const { view } = this;
    this.view = 0;
    forgotten.unregister(this);
    end({ core: this.core, view, borrowed: this.#borrowed });
  }

  toString() {
    return this.name ? JSON.stringify(this.name) : `at ${this.base}`;
  }
}
