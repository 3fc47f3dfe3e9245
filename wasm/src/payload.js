/** MessagePack between the user's data and the region, where a peer may have written anything. */
import { Decoder, Encoder } from "@msgpack/msgpack";
import { InvalidError, OutOfRangeError, WrongTypeError } from "./errors.js";

const encoder = new Encoder({ useBigInt64: true });
const decoder = new Decoder({ useBigInt64: true });
const DEEPEST = 100;

/** Bytes from a region that should be MessagePack and are not. */
export class Undecodable {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
  }
}

/**
 * Whole numbers as whole numbers: those beyond 32 bits would else be written as floating point.
 * @param {any} value
 * @param {number} depth
 * @returns {any}
 */
function exact(value, depth) {
  if (typeof value === "bigint" && value !== BigInt.asIntN(64, value) && value !== BigInt.asUintN(64, value)) throw new OutOfRangeError("a whole number", { expected: "one of -2^63 to 2^64 - 1", found: String(value) }); // prettier-ignore
  if (typeof value === "number") return Number.isSafeInteger(value) && Math.abs(value) > 0x7fffffff ? BigInt(value) : value;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (depth > DEEPEST) throw new RangeError(`nested deeper than ${DEEPEST} levels, or in itself`);
  if (Array.isArray(value)) return value.map((inner) => exact(inner, depth + 1));
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([key, inner]) => [key, exact(inner, depth + 1)]));
}

/** Whole numbers that JavaScript's numbers hold exactly as such; BigInt is left for those they do not. @param {any} value @returns {any} */
function comfortable(value) {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(comfortable);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, comfortable(inner)]));
}

/**
 * Data as MessagePack. O(size).
 * @param {unknown} data null, booleans, numbers, BigInt of 64 bits, strings, Uint8Array, arrays, objects with string keys
 * @param {string} what
 * @returns {Uint8Array}
 */
export function pack(data, what) {
  try {
    return encoder.encode(exact(data, 0));
  } catch (problem) {
    const found = String(/** @type {any} */ (problem)?.message ?? problem);
    if (problem instanceof OutOfRangeError) throw problem;
    if (problem instanceof RangeError) throw new InvalidError(what, { expected: "data MessagePack can carry", found, advice: "make it flatter" });
    throw new WrongTypeError(what, {
      expected: "null, booleans, numbers, BigInt, strings, Uint8Array, arrays and plain objects",
      found,
    });
  }
}

/**
 * A whole number of 0 to 2^31 - 1, which is what events carry most, written where it goes: as pack() would, without what
 * pack() makes.
 * @param {DataView} view @param {number} at with room for 5 bytes @param {number} value @returns {number} its length
 */
export function putWhole(view, at, value) {
  if (value < 0x80) {
    view.setUint8(at, value);
    return 1;
  }
  if (value < 0x100) {
    view.setUint16(at, 0xcc00 | value);
    return 2;
  }
  view.setUint8(at, value < 0x10000 ? 0xcd : 0xce);
  if (value < 0x10000) view.setUint16(at + 1, value);
  else view.setUint32(at + 1, value);
  return value < 0x10000 ? 3 : 5;
}

/** The other way; -1 for whatever else is there. @param {DataView} view @param {number} at @param {number} length */
export function takeWhole(view, at, length) {
  const first = view.getUint8(at);
  if (length === 1 && first < 0x80) return first;
  if (length === 2 && first === 0xcc) return view.getUint8(at + 1);
  if (length === 3 && first === 0xcd) return view.getUint16(at + 1);
  return length === 5 && first === 0xce ? view.getUint32(at + 1) : -1;
}

/** Data from MessagePack; whole numbers beyond 2^53 come as BigInt; what cannot be decoded comes as Undecodable. @param {Uint8Array} packed */
export function unpack(packed) {
  try {
    return comfortable(decoder.decode(packed));
  } catch {
    return new Undecodable(packed);
  }
}
