/** What callers pass, turned into what the core takes; and back. */
import { NotANumberError, OutOfRangeError, shown, WrongTypeError } from "./errors.js";

const MOST = 2n ** 64n - 1n;

/**
 * A whole number of 0 to 2^64 - 1 as BigInt; a number must be a whole one of at most 2^53 - 1, beyond which it is not exact.
 * @param {number | bigint} value
 * @param {string} what
 * @returns {bigint}
 */
export function unsigned(value, what) {
  const whole = integer(value, what);
  if (whole < 0n || whole > MOST) throw new OutOfRangeError(what, { expected: "0 to 2^64 - 1", found: String(value) });
  return whole;
}

/** A whole number of -2^63 to 2^63 - 1. @param {number | bigint} value @param {string} what @returns {bigint} */
export function signed(value, what) {
  const whole = integer(value, what);
  if (whole !== BigInt.asIntN(64, whole)) throw new OutOfRangeError(what, { expected: "-2^63 to 2^63 - 1", found: String(value) });
  return whole;
}

/** @param {number | bigint} value @param {string} what @returns {bigint} */
function integer(value, what) {
  if (typeof value === "bigint") return value;
  if (typeof value !== "number")
    throw new WrongTypeError(what, { expected: "a whole number or a BigInt", found: shown(value) });
  if (Number.isNaN(value)) throw new NotANumberError(what);
  if (!Number.isSafeInteger(value))
    throw new OutOfRangeError(what, {
      expected: "a whole number, exact",
      found: String(value),
      advice: "pass a BigInt beyond 2^53 - 1",
    });
  return BigInt(value);
}

/** @param {number} value @param {string} what @returns {number} */
export function real(value, what) {
  if (typeof value !== "number") throw new WrongTypeError(what, { expected: "a number", found: shown(value) });
  if (Number.isNaN(value)) throw new NotANumberError(what);
  return value;
}

/**
 * A number that came as f64 or as BigInt, if JavaScript's numbers hold it exactly.
 * @param {number | bigint} value
 * @param {string} what
 * @param {string} exactly how to read it exactly
 */
export function safe(value, what, exactly) {
  const number = Number(value);
  if (number > Number.MAX_SAFE_INTEGER)
    throw new OutOfRangeError(what, { expected: "at most 2^53 - 1", found: `some ${number}`, advice: `read it with ${exactly}` });
  return number;
}

/**
 * A time to wait, in milliseconds; undefined: without bound.
 * @param {number | undefined} timeout
 * @param {string} what
 */
export function milliseconds(timeout, what = "timeout") {
  if (timeout === undefined) return Infinity;
  if (real(timeout, what) < 0) throw new OutOfRangeError(what, { expected: "milliseconds, 0 or more", found: String(timeout) });
  return timeout;
}
