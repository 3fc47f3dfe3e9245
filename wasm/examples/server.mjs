/** A static server with the headers that let a page share memory between its threads. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = new Map([
  [".html", "text/html; charset=utf-8"], [".js", "text/javascript"], [".mjs", "text/javascript"], [".css", "text/css"],
  [".wasm", "application/wasm"], [".json", "application/json"], [".svg", "image/svg+xml"], [".whl", "application/zip"],
  [".zip", "application/zip"], [".map", "application/json"],
]); // prettier-ignore

/** What makes a page cross-origin isolated, without which there is no SharedArrayBuffer. */
export const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** @param {string} file */
function isFile(file) {
  try {
    return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false; // a name too long, or a file where a directory is named
  }
}

/** The path a request asks for, or null where it is none: what comes from outside must not end the server. @param {string} target */
function pathOf(target) {
  try {
    const wanted = decodeURIComponent(new URL(target, "http://localhost").pathname);
    return wanted.includes("\0") ? null : wanted;
  } catch {
    return null;
  }
}

/**
 * The file a path stands for, or null.
 * @param {Record<string, string>} mounts paths and the directories they show
 * @param {string} wanted
 */
function find(mounts, wanted) {
  const prefix = Object.keys(mounts).filter((mount) => wanted.startsWith(mount)).sort((a, b) => b.length - a.length)[0]; // prettier-ignore
  if (prefix === undefined) return null;
  const root = path.resolve(mounts[prefix]);
  const file = path.join(root, wanted.slice(prefix.length));
  if (file !== root && !file.startsWith(root + path.sep)) return null;
  return [file, path.join(file, "index.html")].find(isFile) ?? null;
}

/**
 * Serve directories on this machine alone.
 * @param {Record<string, string>} mounts e.g. {"/": "public", "/pyodide/": "node_modules/pyodide"}
 * @param {{port?: number, headers?: Record<string, string>}} [options] port 0: any that is free
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 */
export function serve(mounts, { port = 0, headers = ISOLATION } = {}) {
  const server = createServer((request, response) => {
    const say = (/** @type {number} */ status, /** @type {string} */ text) =>
      response.writeHead(status, { ...headers, "Content-Type": "text/plain" }).end(`${text}\n`);
    if (request.method !== "GET" && request.method !== "HEAD") return void say(405, "only GET and HEAD");
    const wanted = pathOf(request.url ?? "/");
    if (wanted === null) return void say(400, "not a path");
    const file = find(mounts, wanted);
    if (!file) return void say(404, "not found");
    const type = TYPES.get(path.extname(file)) ?? "application/octet-stream";
    const content = createReadStream(file);
    content.once("error", () => (response.headersSent ? response.destroy() : say(404, "not found")));
    content.once("open", () => {
      response.writeHead(200, { ...headers, "Content-Type": type, "Cache-Control": "no-cache" });
      content.pipe(response);
    });
    response.once("close", () => content.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "localhost", () => {
      const address = /** @type {import("node:net").AddressInfo} */ (server.address());
      const close = () => new Promise((/** @type {(nothing: void) => void} */ done) => {
        server.closeAllConnections();
        server.close(() => done());
      });
      resolve({ url: `http://localhost:${address.port}`, close });
    });
  });
}
