/** A region's bytes kept the same here: a board's or a process's live state in a page, over a WebSocket or a serial port. */
import { constants as C } from "../generated/abi.js";
import { check, ClosedError, CorestateError, LayoutVersionError, TooBigError, UnsupportedError, WaitTimeoutError } from "./errors.js";
import { sizeOf } from "./instance.js";
import { openLine } from "./line.js";
import { loadModule } from "./load.js";
import { milliseconds } from "./numbers.js";
import { decide } from "./open.js";
import { realm } from "./realm.js";
import { Region } from "./region.js";
import { State } from "./state.js";

/** @typedef {import("./line.js").Source} Source */
/**
 * @typedef {object} MirrorOptions
 * @property {string} [name] of the region here
 * @property {boolean} [shared] whether workers can attach to it, as with `open`
 * @property {number} [silence] milliseconds after which a silent source counts as gone; 2000 if not given. Until then what
 *   another sender sends on the same line is refused, and so is a source that was made anew
 * @property {boolean} [shiftTimes] show the times of a source whose clock is over a minute off by this machine's clock, so that
 *   ages make sense; true if not given
 * @property {number} [largest] bytes of a source's region above which it is refused; 2^28 if not given
 * @property {(state: State) => void} [onState] called when there is a state: once the first picture is whole, and again when
 *   the source was made anew
 * @property {(problem: Error) => void} [onError] called with what a source was refused for, such as a TooBigError, which
 *   does not end the mirror, and with what ended it
 */
/**
 * How a mirror is doing.
 * @typedef {object} MirrorReport
 * @property {boolean} ready whether there is a whole region
 * @property {boolean} behind whether something is missing that only a picture of the whole brings
 * @property {number | null} age milliseconds since the source was last heard; null before
 * @property {bigint} frames taken
 * @property {bigint} bytes that have come
 * @property {bigint} lost frames that never came, by their numbers
 * @property {bigint} corrupt pieces that were no frame: cut, glued or with a wrong checksum
 * @property {bigint} pictures complete
 * @property {bigint} restarts of the source
 * @property {bigint} refused frames of senders that are not the source, or were refused
 * @property {string} reason why, of the last source that was refused; empty before
 */

const CHUNK = 65536;
const FRAME = 2 * C.CS_MIRROR_FRAME_MAX;
const PAGE = 65536;
const REQUEST = 64;
const ASK_FIRST_MS = 300;
const ASK_LAST_MS = 5000;
const LOOK_MS = 100;
const HERE_MS = 500;
const KEYED = 0x10000; // beside a wire version: of a sender that has a key
const SILENCE_MS = 2000;
const LARGEST = 2 ** 28;

/** @typedef {{base: number, bytes: number}} Room */

/** Keeps a region here the same as one at the other end of a line. Made by `mirror`. */
export class Mirror {
  #module;
  #core;
  #options;
  #receiver;
  #frame;
  #space;
  #status;
  /** The room of the region there is, and of the one before. @type {Room[]} */
  #rooms = [];
  #size = 0;
  /** @type {State | null} */
  #state = null;
  /** @type {import("./line.js").Line | null} */
  #line = null;
  /** @type {Set<{patient: boolean, resolve: (state: State) => void, reject: (problem: Error) => void}>} */
  #waiting = new Set();
  /** @type {Error | null} */
  #problem = null;
  /** Why a source was refused, until there is one that is not. @type {CorestateError | null} */
  #refusal = null;
  #reason = "";
  #hereSince = 0;
  #timer;
  #patience = ASK_FIRST_MS;
  #behindSince = 0;

  /** @param {WebAssembly.Module} module @param {boolean} shared @param {MirrorOptions} options */
  constructor(module, shared, options) {
    this.#module = module;
    this.#options = { ...options, silence: milliseconds(options.silence ?? SILENCE_MS, "silence"), largest: options.largest ?? LARGEST };
    const core = (this.#core = Region.scratch(module, shared));
    this.#receiver = core.allocate(sizeOf("cs_mirror_receiver"));
    this.#status = core.allocate(sizeOf("cs_mirror_status"));
    this.#frame = core.allocate(FRAME);
    this.#space = core.allocate(CHUNK);
    check(core.exports.cs_mirror_listen(this.#receiver, this.#frame, FRAME), "mirror");
    core.exports.cs_mirror_pin(this.#receiver, BigInt(Math.round(Math.min(this.#options.silence, 2 ** 40) * 1e6)));
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    /** @type {any} */ (this.#timer).unref?.(); // a mirror keeps no program alive: its line does
  }

  /** The mirrored region, which nobody writes to; null before the first whole picture of it. */
  get state() {
    return this.#state;
  }

  /** What ended it before `close()`, if anything did. */
  get problem() {
    return this.#problem;
  }

  get closed() {
    return this.#core.closed;
  }

  /**
   * The state, as soon as there is one. What a source was refused for is told at the end of `timeout`, since the right one
   * may still come; without a timeout at once. The mirror goes on.
   * @param {{timeout?: number}} [options] milliseconds; none: without bound
   * @returns {Promise<State>}
   * @throws {WaitTimeoutError | ClosedError | TooBigError | LayoutVersionError | UnsupportedError} and what ended the mirror
   */
  async ready({ timeout } = {}) {
    const most = milliseconds(timeout);
    if (this.#state) return this.#state;
    if (this.#problem) throw this.#problem;
    if (this.closed) throw new ClosedError("mirror", { advice: "open it again" });
    if (most === Infinity && this.#refusal) throw this.#refusal;
    return new Promise((resolve, reject) => {
      /** @type {any} */
      let timer;
      const one = {
        patient: most !== Infinity,
        resolve: (/** @type {State} */ state) => (clearTimeout(timer), resolve(state)),
        reject: (/** @type {Error} */ problem) => (clearTimeout(timer), reject(problem)),
      };
      this.#waiting.add(one);
      if (most === Infinity) return;
      timer = setTimeout(() => {
        this.#waiting.delete(one);
        const { frames, lost, corrupt } = this.report();
        reject(this.#refusal ?? new WaitTimeoutError("mirror", { expected: "a whole picture of the source", found: `none; ${frames} frames came, ${lost} were lost, ${corrupt} pieces were no frames` })); // prettier-ignore
      }, most);
    });
  }

  /**
   * Listen to a line, in place of the one before. Whoever sends on it is followed at once.
   * @param {Source} source
   * @throws {InvalidError | WrongTypeError | StorageError}
   */
  listen(source) {
    if (this.closed) throw new ClosedError("mirror", { advice: "open it again" });
    this.#line?.close();
    this.#core.exports.cs_mirror_silent(this.#receiver);
    this.#line = openLine(source, (bytes) => this.#hear(bytes));
  }

  /** @param {Uint8Array} bytes */
  #hear(bytes) {
    if (this.closed) return;
    try {
      this.feed(bytes);
    } catch (problem) {
      this.#fail(/** @type {Error} */ (problem));
    }
  }

  /**
   * Take bytes from a line of your own, in pieces of any size. Garbage and what is refused are counted and skipped.
   * @param {Uint8Array} bytes
   * @throws {ClosedError}
   */
  feed(bytes) {
    const core = this.#core;
    if (core.closed) throw new ClosedError("mirror", { advice: "open it again" });
    for (let done = 0; done < bytes.length; done += CHUNK) {
      const part = bytes.subarray(done, done + CHUNK);
      core.bytes.set(part, this.#space);
      for (let at = 0; at < part.length; ) {
        const code = core.exports.cs_mirror_feed(this.#receiver, this.#space + at, part.length - at, core.out);
        at += core.data.getUint32(core.out, true);
        if (code === C.CS_E_NOT_READY) this.#meet();
        else if (code === C.CS_E_VERSION) this.#refuse(this.#foreign());
        else check(code, "mirror");
      }
    }
    if (this.#size && core.exports.cs_mirror_apply(this.#receiver) === 1 && !this.#state) this.#show();
  }

  /** Make a region for a source that is new, or refuse it. */
  #meet() {
    try {
      this.#provide();
    } catch (problem) {
      if (!(problem instanceof CorestateError)) throw problem;
      this.#core.exports.cs_mirror_refuse(this.#receiver);
      this.#refuse(problem);
    }
  }

  /** The error for a sender of another wire version, or with a key. */
  #foreign() {
    this.#core.exports.cs_mirror_told(this.#receiver, this.#status);
    const version = Number(this.#core.read("cs_mirror_status", this.#status).peer_version);
    if (version >= KEYED)
      return new UnsupportedError("mirror", { expected: "a sender without a key", found: "one with a key", advice: "there are no keys in a browser: use wss and a private line, and no key at the sender" }); // prettier-ignore
    return new LayoutVersionError("mirror", { expected: `wire version ${C.CS_MIRROR_VERSION}`, found: `wire version ${version}`, advice: "use the same corestate at both ends" }); // prettier-ignore
  }

  /** @param {CorestateError} problem */
  #refuse(problem) {
    this.#refusal = problem;
    this.#reason = problem.message;
    for (const one of this.#waiting) {
      if (one.patient) continue;
      this.#waiting.delete(one);
      one.reject(problem);
    }
    this.#options.onError?.(problem);
  }

  /** Make a region for a source that is new. */
  #provide() {
    const core = this.#core;
    const info = core.allocate(sizeOf("cs_region_info"));
    try {
      check(core.exports.cs_mirror_wanted(this.#receiver, info, core.out), "mirror");
      const size = Number(core.u64("cs_region_info", info, "size"));
      const workspace = Number(core.data.getBigUint64(core.out, true));
      if (size > this.#options.largest)
        throw new TooBigError("mirror", { expected: `a region of ${this.#options.largest} bytes at most`, found: `one of ${size}`, advice: "pass `largest` if that is right" }); // prettier-ignore
      const work = Math.ceil(size / 64) * 64;
      const base = this.#room(work + workspace);
      this.#state?.close();
      this.#state = null;
      check(core.exports.cs_mirror_provide(this.#receiver, base, BigInt(size), base + work, BigInt(workspace), -1n, this.#options.shiftTimes === false ? 0 : C.CS_MIRROR_SHIFT_TIMES), "mirror"); // prettier-ignore
      this.#size = size;
    } finally {
      core.free(info);
    }
  }

  /**
   * Zeroed bytes for a region and what the receiver needs. Workers may still look at the region before this one, so it is
   * left as it is; the one before that gives its room.
   * @param {number} bytes
   */
  #room(bytes) {
    const core = this.#core;
    const spare = this.#rooms.length > 1 ? this.#rooms.shift() : undefined;
    if (spare && spare.bytes >= bytes) {
      core.bytes.fill(0, spare.base, spare.base + spare.bytes);
      this.#rooms.push(spare);
      return spare.base;
    }
    const pages = Math.ceil(bytes / PAGE);
    let base;
    try {
      base = core.memory.grow(pages) * PAGE;
    } catch {
      throw core.noRoom();
    }
    core.grown();
    this.#rooms.push({ base, bytes: pages * PAGE });
    return base;
  }

  #show() {
    const { base } = this.#rooms[this.#rooms.length - 1];
    const region = Region.mirrored({ core: this.#core, base, size: this.#size, name: this.#options.name });
    const state = (this.#state = new State(region, this.#module));
    this.#refusal = null;
    for (const { resolve } of this.#waiting) resolve(state);
    this.#waiting.clear();
    this.#options.onState?.(state);
  }

  /** Now and then: is the source silent, and is there something to ask it for? */
  #look() {
    const { age, behind } = this.report();
    if (this.#size && age !== null && age > this.#options.silence) this.#core.exports.cs_mirror_silent(this.#receiver);
    const now = performance.now();
    if (now - this.#hereSince > HERE_MS) {
      this.#hereSince = now;
      this.#line?.send(this.#say("cs_mirror_here"));
    }
    if (!behind || !this.#behindSince) {
      this.#patience = ASK_FIRST_MS;
      this.#behindSince = behind ? now : 0;
    } else if (now - this.#behindSince > this.#patience) {
      this.#patience = Math.min(2 * this.#patience, ASK_LAST_MS); // each time longer: it may be on its way
      this.#behindSince = now;
      this.#line?.send(this.request());
    }
  }

  /** A frame that asks the source for a picture of everything, to be sent back to it: for who feeds bytes by hand. */
  request() {
    if (this.closed) throw new ClosedError("mirror", { advice: "open it again" });
    return this.#say("cs_mirror_ask");
  }

  /** @param {"cs_mirror_ask" | "cs_mirror_here"} what */
  #say(what) {
    const core = this.#core;
    check(core.exports[what](this.#receiver, core.scratch, REQUEST, core.out), "mirror");
    return core.copy(core.scratch, core.data.getUint32(core.out, true));
  }

  /** How it is doing. O(1). @returns {MirrorReport} */
  report() {
    if (this.closed) throw new ClosedError("mirror", { advice: "open it again" });
    const core = this.#core;
    core.exports.cs_mirror_told(this.#receiver, this.#status);
    const { frames, bytes, lost, corrupt, pictures, restarts, refused, behind, heard_ns: heard } = core.read("cs_mirror_status", this.#status);
    const age = heard ? Math.max(0, performance.timeOrigin + performance.now() - Number(heard / 1000n) / 1000) : null;
    return { ready: this.#state !== null, behind: behind !== 0, age, frames, bytes, lost, corrupt, pictures, restarts, refused, reason: this.#reason };
  }

  /** @param {Error} problem */
  #fail(problem) {
    this.#problem = problem;
    this.#end(problem);
    this.#options.onError?.(problem);
  }

  /** End it, and with it its state; workers that attached see its participants dead. Idempotent. */
  close() {
    this.#end(new ClosedError("mirror", { advice: "open it again" }));
  }

  /** @param {Error} why for those who wait */
  #end(why) {
    if (this.closed) return;
    clearInterval(this.#timer);
    this.#line?.close();
    if (this.#size) this.#core.exports.cs_mirror_silent(this.#receiver);
    this.#state?.close();
    this.#state = null;
    this.#core.close();
    for (const { reject } of this.#waiting) reject(why);
    this.#waiting.clear();
  }

  [Symbol.dispose]() {
    this.close();
  }
}

/**
 * Mirror a region here that is elsewhere: on a board, or in a process on a server.
 * @param {Source | null} source the address of a WebSocket, which is opened again when it was cut; a WebSocket; a pair of
 *   streams `{ readable, writable }` as Web Serial and WebTransport have; null to `feed` it by hand or `listen` later
 * @param {MirrorOptions} [options]
 * @returns {Promise<Mirror>}
 * @throws {NotSharedError | InvalidError | WrongTypeError | OutOfRangeError | StorageError | UnsupportedError}
 */
export async function mirror(source, options = {}) {
  const share = decide(options.shared, "mirror");
  const [module] = await Promise.all([loadModule(share), realm.ready]);
  const made = new Mirror(module, share, options);
  try {
    if (source !== null) made.listen(source);
    return made;
  } catch (problem) {
    made.close();
    throw problem instanceof CorestateError ? problem : new CorestateError("mirror", { found: String(problem), cause: problem });
  }
}
