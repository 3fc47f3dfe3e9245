/** Strings in and out of a memory that may be shared, which the encoders of the platform do not take. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** @param {string} text @returns {Uint8Array} */
export const encode = (text) => encoder.encode(text);

/** UTF-8 as text; what is none is replaced. @param {Uint8Array} bytes @returns {string} */
export const decode = (bytes) => decoder.decode(bytes.slice());

/** Whether a string has only whole characters: UTF-8 has no lone surrogates. @param {string} text */
export function isWhole(text) {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
}
