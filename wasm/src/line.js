/** What a mirror's bytes come over: a WebSocket, or a pair of streams such as a serial port has. */
import { InvalidError, UnsupportedError, WrongTypeError } from "./errors.js";

const AGAIN_FIRST_MS = 200;
const AGAIN_LAST_MS = 5000;

/**
 * A line. It gives bytes to who opened it, takes requests, and where it has an address it is opened again after a cut.
 * @typedef {{send: (bytes: Uint8Array) => void, close: () => void}} Line
 */
/** @typedef {{readable: ReadableStream<Uint8Array>, writable?: WritableStream<Uint8Array>}} Streams */
/** @typedef {string | URL | WebSocket | Streams} Source */

/** @param {unknown} data what a message of a WebSocket has; text can be nothing of ours, and is counted as garbage */
const bytesOf = (data) => (data instanceof ArrayBuffer ? new Uint8Array(data) : new TextEncoder().encode(String(data)));

/** @param {WebSocket} socket @param {(bytes: Uint8Array) => void} hear @returns {Line} */
function overSocket(socket, hear) {
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => hear(bytesOf(data)));
  return {
    send: (bytes) => socket.readyState === 1 && socket.send(/** @type {BufferSource} */ (bytes)),
    close: () => socket.close(),
  };
}

/** @param {string} url @param {(bytes: Uint8Array) => void} hear @returns {Line} */
function overAddress(url, hear) {
  const Socket = globalThis.WebSocket;
  if (!Socket)
    throw new UnsupportedError(`mirror of ${url}`, { expected: "a WebSocket", found: "none here", advice: "give a pair of streams" });
  /** @type {Line} */
  let line;
  /** @type {any} */
  let timer;
  let patience = AGAIN_FIRST_MS;
  let closed = false;
  const open = () => {
    const socket = new Socket(url);
    line = overSocket(socket, hear);
    socket.addEventListener("open", () => (patience = AGAIN_FIRST_MS));
    socket.addEventListener("close", () => {
      if (closed) return;
      timer = setTimeout(open, patience);
      patience = Math.min(2 * patience, AGAIN_LAST_MS);
    });
  };
  try {
    open();
  } catch (problem) {
    throw new InvalidError(`mirror of ${url}`, { expected: "the address of a WebSocket, ws: or wss:", found: String(problem), advice: "check it" });
  }
  return {
    send: (bytes) => line.send(bytes),
    close: () => {
      closed = true;
      clearTimeout(timer);
      line.close();
    },
  };
}

/** @param {Streams} streams @param {(bytes: Uint8Array) => void} hear @returns {Line} */
function overStreams({ readable, writable }, hear) {
  const reader = readable.getReader();
  const writer = writable?.getWriter();
  const pump = async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      hear(value);
    }
  };
  pump().catch(() => {}); // a line that is cut is silent, which the mirror sees
  return {
    send: (bytes) => void ((writer?.desiredSize ?? 0) > 0 && writer?.write(bytes).catch(() => {})), // a line that takes nothing is not filled
    close: () => {
      reader.cancel().catch(() => {});
      writer?.close().catch(() => {});
    },
  };
}

/** @param {Source} source @param {(bytes: Uint8Array) => void} hear @returns {Line} */
export function openLine(source, hear) {
  if (typeof source === "string" || source instanceof URL) return overAddress(String(source), hear);
  if (typeof (/** @type {any} */ (source)?.readable?.getReader) === "function") return overStreams(/** @type {Streams} */ (source), hear);
  if ("binaryType" in Object(source)) return overSocket(/** @type {WebSocket} */ (source), hear);
  throw new WrongTypeError("mirror", { expected: "the address of a WebSocket, a WebSocket, or { readable, writable }", found: String(source) });
}
