/**
 * Serves the example: `npm run example`, then open the address it prints.
 *
 *     node examples/serve.mjs [PORT]     8080 if not given; 0: any that is free
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./server.mjs";

const WASM = fileURLToPath(new URL("..", import.meta.url));
const BUILD = path.join(WASM, "../build/wasm");
const WHEELS = path.join(BUILD, "wheels");

/** Make what is not there yet. @param {string} what @param {string} script @param {boolean} there */
function ensure(what, script, there) {
  if (there) return;
  console.log(`making ${what}`);
  execFileSync(process.execPath, [path.join(WASM, script)], { stdio: "inherit" });
}

/** Whether the wheel carries the core as it is built now: Python and the page must have the same. */
function upToDate() {
  const wheel = existsSync(WHEELS) && readdirSync(WHEELS).find((name) => name.startsWith("corestate-"));
  return Boolean(wheel) && statSync(path.join(WHEELS, String(wheel))).mtimeMs > statSync(path.join(WASM, "dist/embedded.js")).mtimeMs;
}

/** @param {number} port */
export function serveExample(port) {
  ensure("the package", "tools/build.mjs", existsSync(path.join(WASM, "dist/index.js")));
  ensure("the wheels for Python", "tests/pyodide/prepare.mjs", upToDate());
  const listing = path.join(BUILD, "listing");
  mkdirSync(listing, { recursive: true });
  writeFileSync(path.join(listing, "wheels.json"), JSON.stringify(readdirSync(WHEELS).filter((name) => name.endsWith(".whl"))));
  const mounts = {
    "/": path.join(WASM, "examples/live"),
    "/corestate/": path.join(WASM, "dist"),
    "/pyodide/": path.join(WASM, "node_modules/pyodide"),
    "/uplot/": path.join(WASM, "node_modules/uplot/dist"),
    "/wheels/": WHEELS,
    "/wheels.json": path.join(listing, "wheels.json"),
  };
  return serve(mounts, { port });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serveExample(Number(process.argv[2] ?? 8080));
  console.log(`corestate live: ${url}/   (Ctrl-C ends it)`);
}
