/** Why a module could not be loaded or compiled. */
import { CorestateError, StorageError, UnsupportedError } from "./errors.js";

/** @param {unknown} problem @param {URL | string} url @returns {CorestateError} */
export function explain(problem, url) {
  if (problem instanceof CorestateError) return problem;
  const text = String(/** @type {any} */ (problem)?.message ?? problem);
  if (/content security policy|unsafe-eval|disallowed by embedder/i.test(text))
    return new UnsupportedError("loading the core", {
      expected: "that this page may compile WebAssembly",
      found: "that its Content-Security-Policy forbids it",
      advice: "add 'wasm-unsafe-eval' to script-src",
      cause: problem,
    });
  return new StorageError("loading the core", {
    expected: `WebAssembly at ${url}`,
    found: text,
    advice: "serve the .wasm files of the package beside its index.js",
    cause: problem,
  });
}
