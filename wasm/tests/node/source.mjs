/** A process in Python whose region is mirrored: it connects to a Unix socket, and changes something when told to. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ROOT } from "../../tools/compiler.mjs";

const PYTHON = path.join(ROOT, ".venv/bin/python");
const SAME = fileURLToPath(new URL("same.py", import.meta.url));

export class Source {
  #directory = mkdtempSync(path.join(tmpdir(), "corestate-mirror-"));
  #server = createServer((socket) => {
    socket.on("error", () => {});
    this.#connected?.(socket);
  });
  /** @type {((socket: import("node:net").Socket) => void) | undefined} */
  #connected;
  /** @type {import("node:child_process").ChildProcessWithoutNullStreams | undefined} */
  #process;
  /** @type {AsyncIterator<string> | undefined} */
  #said;
  #runs = 0;

  /** @param {(socket: import("node:net").Socket) => void} connected called with each connection of a sender's */
  async listen(connected) {
    this.#connected = connected;
    this.#server.listen(path.join(this.#directory, "line"));
    await once(this.#server, "listening");
  }

  /** Start the process, with a new region. */
  start() {
    const file = path.join(this.#directory, `source-${this.#runs++}.state`);
    const started = spawn(PYTHON, [SAME, "send", file, `unix:${path.join(this.#directory, "line")}`], { stdio: ["pipe", "pipe", "inherit"] });
    this.#process = /** @type {any} */ (started);
    this.#said = createInterface({ input: /** @type {any} */ (started).stdout })[Symbol.asyncIterator]();
  }

  /** Have it change something; what its region holds then. @returns {Promise<any>} */
  async turn() {
    this.#process?.stdin.write("\n");
    const { value, done } = await /** @type {AsyncIterator<string>} */ (this.#said).next();
    if (done) throw new Error("the source has ended");
    return JSON.parse(value);
  }

  /** As abruptly as a process can end. */
  async kill() {
    const process = this.#process;
    this.#process = undefined;
    if (!process || process.exitCode !== null) return;
    process.kill("SIGKILL");
    await once(process, "exit");
  }

  async close() {
    await this.kill();
    this.#server.close();
    rmSync(this.#directory, { recursive: true });
  }
}
