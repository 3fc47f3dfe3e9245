/**
 * One tree of errors, with the names they have in Python. Each says what was expected, what was found and what to do;
 * `code` is the core's name of it, such as "CS_E_FULL", or null where only JavaScript finds the fault.
 */
import { constants } from "../generated/abi.js";

/** @typedef {{expected?: string, found?: string, advice?: string, cause?: unknown}} Because */

/**
 * How a value somebody gave appears in an error: a number as it is, anything else as its type. Errors end in logs, and a
 * text passed in the wrong place may be a secret.
 * @param {unknown} value
 */
export function shown(value) {
  if (value === null || ["number", "bigint", "boolean", "undefined"].includes(typeof value)) return String(value);
  const kind = typeof value === "object" ? /** @type {object} */ (value).constructor?.name || "object" : typeof value;
  return `${/^[aeiou]/i.test(kind) ? "an" : "a"} ${kind}`;
}

/** Anything corestate refuses or cannot do. */
export class CorestateError extends Error {
  /** @type {string | null} */
  static code = null;
  static expected = "the operation to succeed";
  static found = "that it did not";
  static advice = "see the cause";

  /** @type {string | null} The core's name of this error. */
  code;

  /** @param {string} what was being done @param {Because} [because] what is not given is the class's own wording */
  constructor(what, because = {}) {
    const kind = new.target;
    const { expected = kind.expected, found = kind.found, advice = kind.advice, cause } = because;
    super(`${what}: expected ${expected}, found ${found}; ${advice}`, cause === undefined ? undefined : { cause });
    this.code = kind.code;
  }
}

/** An argument makes no sense, such as an unknown enum value. */
export class InvalidError extends CorestateError {
  static code = "CS_E_INVALID";
  static expected = "arguments that make sense";
  static found = "an unknown value";
  static advice = "see the documentation of the call for what it takes";
}

/** A value of a type that can never be right. */
export class WrongTypeError extends CorestateError {
  static expected = "another type";
  static found = "a type that can never be right";
  static advice = "convert it first";
}

/** A name is empty, too long for the region, or not Unicode. */
export class NameInvalidError extends InvalidError {
  static code = "CS_E_NAME";
  static expected = "a name of 1 to 63 bytes of UTF-8 (fewer in a region made with smaller keyBytes)";
  static found = "one that is empty, longer, or not UTF-8";
  static advice = "choose another name";
}

/** A number is outside what the field, or a JavaScript number, can hold. */
export class OutOfRangeError extends CorestateError {
  static code = "CS_E_RANGE";
  static expected = "a number the field can hold";
  static found = "one outside it";
  static advice = "pass a number within the field's range";
}

/** NaN where it has no meaning. */
export class NotANumberError extends CorestateError {
  static code = "CS_E_NAN";
  static expected = "a number";
  static found = "NaN";
  static advice = "pass a number";
}

/** Data does not fit its slot. */
export class TooBigError extends CorestateError {
  static code = "CS_E_TOO_BIG";
  static expected = "data that fits its slot";
  static found = "more";
  static advice = "pass less, or make the region with more room (config)";
}

/** The lifecycle has no such transition. */
export class TransitionError extends CorestateError {
  static code = "CS_E_TRANSITION";
  static expected = "a transition of the lifecycle";
  static found = "one it does not have";
  static advice = "see AgentStatus for what may follow what; FAILED and CANCELLED are final";
}

/** A compare-and-swap found another value. */
export class MismatchError extends CorestateError {
  static code = "CS_E_MISMATCH";
  static expected = "the value given";
  static found = "another";
  static advice = "read it again and decide anew";
}

/** A table has no free slot. */
export class FullError extends CorestateError {
  static code = "CS_E_FULL";
  static expected = "a free slot";
  static found = "none";
  static advice = "remove what is no longer needed, or make the region with more room (config)";
}

/** Every participant slot belongs to a living worker or page. */
export class ParticipantsFullError extends FullError {
  static code = "CS_E_NO_SLOT";
  static expected = "a free participant slot";
  static found = "that each belongs to someone alive";
  static advice = 'close the region where it is no longer needed, attach with mode "r", or make it with more participants';
}

/** The name is taken. */
export class ExistsError extends CorestateError {
  static code = "CS_E_EXISTS";
  static expected = "a name that is free";
  static found = "that it is taken";
  static advice = "choose another name, or remove the present one first";
}

/** There is no such name or index. */
export class NotFoundError extends CorestateError {
  static code = "CS_E_NOT_FOUND";
  static expected = "a name or index that exists";
  static found = "none such";
  static advice = "check the name, or create it first";
}

/** What the object stood for has been removed; its slot may belong to another now. */
export class StaleError extends NotFoundError {
  static code = "CS_E_STALE";
  static expected = "something that still exists";
  static found = "that it has been removed";
  static advice = "look it up again by name";
}

/** The region is attached read-only. */
export class ReadOnlyError extends CorestateError {
  static code = "CS_E_READ_ONLY";
  static expected = "a region that may be written";
  static found = 'one attached with mode "r"';
  static advice = 'attach with mode "rw"';
}

/** Somebody alive holds it, or a writer never paused; or this thread may not sleep. */
export class BusyError extends CorestateError {
  static code = "CS_E_BUSY";
  static expected = "that nobody holds it";
  static found = "a living holder, or a writer that never pauses";
  static advice = "try again";
}

/** The time passed first. */
export class WaitTimeoutError extends CorestateError {
  static code = "CS_E_TIMEOUT";
  static expected = "it to happen in time";
  static found = "that the time passed first";
  static advice = "wait longer, or find out who should have done it";
}

/** The region was closed. */
export class ClosedError extends CorestateError {
  static code = "CS_E_CLOSED";
  static expected = "an open region";
  static found = "that it was closed";
  static advice = "open it again";
}

/** Released by who does not hold it. */
export class NotOwnerError extends CorestateError {
  static code = "CS_E_NOT_OWNER";
  static expected = "a lock held here";
  static found = "that it is not";
  static advice = "release once for each acquire";
}

/** The lock is held here already. */
export class DeadlockError extends CorestateError {
  static code = "CS_E_DEADLOCK";
  static expected = "a lock not held by this page or worker yet";
  static found = "that it is";
  static advice = "release it first; locks cannot be entered twice";
}

/** No participant slot any more. */
export class DetachedError extends CorestateError {
  static code = "CS_E_DETACHED";
  static expected = "an attachment with a participant slot";
  static found = "one without";
  static advice = "attach again";
}

/** This platform cannot do that. */
export class UnsupportedError extends CorestateError {
  static code = "CS_E_UNSUPPORTED";
  static expected = "a platform that can";
  static found = "one that cannot";
  static advice = "see docs/browser.md for what is needed";
}

/** Memory cannot be shared between threads here. */
export class NotSharedError extends UnsupportedError {
  static expected = "memory that can be shared between threads (SharedArrayBuffer)";
  static found = "none";
  static advice =
    "serve the page over https or from localhost with the headers Cross-Origin-Opener-Policy: same-origin and " +
    "Cross-Origin-Embedder-Policy: require-corp, or open with shared: false";
}

/** Reading or writing storage failed: blocked, full, or gone. */
export class StorageError extends CorestateError {
  static code = "CS_E_IO";
  static expected = "storage that works";
  static found = "that reading or writing failed";
  static advice = "see the cause";
}

/** The bytes are not what they should be. */
export class FormatError extends CorestateError {}

/** The bytes are no region, or no snapshot. */
export class NotRegionError extends FormatError {
  static code = "CS_E_NOT_REGION";
  static expected = "a region";
  static found = "something else";
  static advice = "check where it came from";
}

/** A region or snapshot of another version. */
export class LayoutVersionError extends FormatError {
  static code = "CS_E_VERSION";
  static expected = "the version this corestate knows";
  static found = "another";
  static advice = "use a corestate of that version";
}

/** A region of other byte order. */
export class ByteOrderError extends FormatError {
  static code = "CS_E_BYTE_ORDER";
  static expected = "a region of this machine's byte order";
  static found = "the other";
  static advice = "a region is little-endian; this one was made by a machine that is not, or is damaged";
}

/** Fewer or more bytes than the header says. */
export class TruncatedError extends FormatError {
  static code = "CS_E_TRUNCATED";
  static expected = "as many bytes as the header says";
  static found = "fewer or more";
  static advice = "use another copy, or make it anew";
}

/** The bytes contradict themselves. */
export class CorruptError extends FormatError {
  static code = "CS_E_CORRUPT";
  static expected = "bytes that agree with themselves";
  static found = "bytes that do not";
  static advice = "use another copy, or make it anew";
}

/** Being made, or its maker died. */
export class NotReadyError extends FormatError {
  static code = "CS_E_NOT_READY";
  static expected = "a complete region";
  static found = "one whose maker has not finished";
  static advice = "attach when its maker has handed it out";
}

/** Memory that another build of corestate laid out. */
export class BuildMismatchError extends FormatError {
  static expected = "memory made by this very build of corestate";
  static found = "that another build made it";
  static advice = "serve the same version of the package to the page and to its workers";
}

/** @typedef {typeof CorestateError} ErrorClass */
/** Every class by its name, which a minifier would take from the class itself. @type {Record<string, ErrorClass>} */
const CLASSES = {
  CorestateError, InvalidError, WrongTypeError, NameInvalidError, OutOfRangeError, NotANumberError, TooBigError,
  TransitionError, MismatchError, FullError, ParticipantsFullError, ExistsError, NotFoundError, StaleError,
  ReadOnlyError, BusyError, WaitTimeoutError, ClosedError, NotOwnerError, DeadlockError, DetachedError,
  UnsupportedError, NotSharedError, StorageError, FormatError, NotRegionError, LayoutVersionError,
  ByteOrderError, TruncatedError, CorruptError, NotReadyError, BuildMismatchError,
}; // prettier-ignore
for (const [name, kind] of Object.entries(CLASSES)) Object.defineProperty(kind.prototype, "name", { value: name, configurable: true });

/** @type {Map<number, ErrorClass>} */
const BY_RESULT = new Map();
for (const kind of Object.values(CLASSES)) {
  const result = /** @type {Record<string, number | bigint>} */ (constants)[kind.code ?? ""];
  if (Object.hasOwn(kind, "code") && result !== undefined) BY_RESULT.set(Number(result), kind);
}

/** Make (not throw) the error that stands for a negative result code. @param {number} code @param {string} what @param {Because} [because] */
export function errorOf(code, what, because) {
  const kind = BY_RESULT.get(code);
  return kind ? new kind(what, because) : new CorestateError(what, { found: `result ${code}`, ...because });
}

/** Throw for a result below zero; else return it. @param {number} code @param {string} what @param {Because} [because] */
export function check(code, what, because) {
  if (code < 0) throw errorOf(code, what, because);
  return code;
}

/** What of an error can be posted to another worker. @param {any} problem */
export const toPlain = (problem) => ({ name: String(problem?.name), message: String(problem?.message ?? problem) });

/** The error that another worker posted. @param {{name: string, message: string}} plain @returns {Error} */
export function fromPlain({ name, message }) {
  const kind = CLASSES[name];
  if (!kind) return new Error(`${name}: ${message}`);
  return Object.assign(Reflect.construct(Error, [message], kind), { code: kind.code });
}
