/** Finding and compiling the two builds of the core. */
import { UnsupportedError } from "./errors.js";
import { explain } from "./explain.js";

const URLS = {
  single: new URL("./corestate.wasm", import.meta.url),
  threads: new URL("./corestate-threads.wasm", import.meta.url),
};

/** @type {Map<string, Promise<WebAssembly.Module>>} */
const loading = new Map();

/** @param {URL} url */
async function fileBytes(url) {
  const { readFile } = /** @type {any} */ (globalThis).process.getBuiltinModule("node:fs/promises");
  return readFile(url);
}

/** @param {URL} url @returns {Promise<WebAssembly.Module>} */
async function compile(url) {
  if (typeof WebAssembly === "undefined")
    throw new UnsupportedError("loading the core", { expected: "WebAssembly", found: "none", advice: "use a newer browser" });
  try {
    if (url.protocol === "file:") return await WebAssembly.compile(await fileBytes(url));
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`);
    return await WebAssembly.compile(await response.arrayBuffer()); // not streaming: servers send any content type
  } catch (problem) {
    throw explain(problem, url);
  }
}

/**
 * The compiled core, once for each build.
 * @param {boolean} shared the one with threads
 * @returns {Promise<WebAssembly.Module>}
 */
export function loadModule(shared) {
  const url = shared ? URLS.threads : URLS.single;
  const known = loading.get(url.href);
  if (known) return known;
  const module = compile(url);
  loading.set(url.href, module);
  module.catch(() => loading.delete(url.href)); // so that the next one tries again
  return module;
}
