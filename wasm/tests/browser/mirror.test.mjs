/** A13: a process's region in a page, and a board's, by a stream that a WebSocket brings; cut and opened again; read by a worker. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { made } from "../node/script.mjs";
import { Source } from "../node/source.mjs";
import { launch, serveTests, visit } from "./browser.mjs";

const { WebSocketServer, createWebSocketStream } = /** @type {any} */ (createRequire(import.meta.url)("ws"));

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serveTests>>} */
let server;
/** @type {Source} */
let source;
/** @type {Awaited<ReturnType<typeof serveSockets>>} */
let sockets;

before(async () => {
  [browser, server] = await Promise.all([launch(), serveTests()]);
  source = new Source();
  /** @type {import("node:net").Socket[]} Senders' connections that nobody has yet. */
  const free = [];
  /** @type {any[]} */
  const waiting = [];
  const pair = () => {
    if (!free.length || !waiting.length) return;
    join(/** @type {import("node:net").Socket} */ (free.shift()), waiting.shift());
  };
  await source.listen((line) => (free.push(line), pair()));
  sockets = await serveSockets((stream) => (waiting.push(stream), pair()));
  source.start();
});
after(async () => {
  await source?.close();
  sockets?.close();
  await browser?.close();
  await server?.close();
});

/** A server of WebSockets that gives each of its connections, as a stream. @param {(stream: any) => void} connected */
async function serveSockets(connected) {
  const sockets = new WebSocketServer({ port: 0, host: "localhost" });
  sockets.on("connection", (/** @type {any} */ socket) => connected(createWebSocketStream(socket)));
  await new Promise((resolve) => (sockets.address() ? resolve(null) : sockets.once("listening", resolve)));
  const close = () => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
  };
  return { url: `ws://localhost:${sockets.address().port}/`, cut: () => sockets.clients.forEach((/** @type {any} */ one) => one.terminate()), close };
}

/** @param {import("node:net").Socket} line @param {any} stream */
function join(line, stream) {
  line.pipe(stream).pipe(line);
  line.on("close", () => stream.destroy()).on("error", () => {});
  stream.on("close", () => line.destroy()).on("error", () => {});
}

test("p6: the page has what the process has, and goes on after the line was cut; a worker of the page reads it, too", async () => {
  const { page, problems } = await visit(browser, server.url);
  await page.waitForFunction("window.ready");
  await page.evaluate(async (url) => {
    const given = /** @type {any} */ (window);
    ({ describe: given.describe } = await import(/* @vite-ignore */ String("/node-tests/describe.mjs")));
    given.mirror = await given.corestate.mirror(url, { name: "far", silence: 1000 });
    given.state = await given.mirror.ready({ timeout: 120000 });
    given.heard = [];
    void (async () => {
      for await (const { data } of given.state.events.subscribe({ kinds: "turn" })) given.heard.push(data);
    })();
  }, sockets.url);
  const same = async () => {
    const there = JSON.stringify(await source.turn());
    await page.waitForFunction((wanted) => {
      const sorted = (/** @type {any} */ value) => JSON.stringify(value, (_, inner) => (inner && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner)); // prettier-ignore
      const { describe, state } = /** @type {any} */ (window);
      return sorted(describe(state)) === sorted(JSON.parse(wanted));
    }, there);
  };
  await same();
  await same();
  await page.waitForFunction("heard.at(-1) === 1");

  sockets.cut();
  await same();
  await page.waitForFunction("heard.at(-1) === 2");
  assert.deepEqual(await page.evaluate("[state.mode, mirror.report().ready, state.health().reasons.includes('link_silent')]"), ["r", true, false]);

  const worker = await page.evaluate(async () => {
    const { worker, state } = /** @type {any} */ (window);
    return worker("look", state.handle).next();
  });
  assert.deepEqual(worker, { mode: "r", turns: 3 });

  await source.kill();
  await page.waitForFunction("state.health().reasons.includes('link_silent') && state.participants().every(({ alive }) => !alive)");
  await page.evaluate("mirror.close()");
  assert.deepEqual(problems, []);
  await page.close();
});

// Without an emulator there is no board; wasm/run-tests puts that on record.
if (!process.env.WASM_NO_BOARD) {
  test("p4: a board's state, live in a page: each of its spikes once or counted as lost, and its sensors as they stand", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "corestate-board-"));
    const serial = path.join(directory, "serial");
    const board = spawn(
      "qemu-system-arm",
      ["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-kernel", made("gcc/sensors.elf"), "-serial", `unix:${serial},server=on,wait=off`],
      { stdio: "ignore" },
    );
    const ended = new Promise((resolve) => board.once("exit", resolve));
    const wires = await serveSockets((stream) => join(connect(serial), stream));
    try {
      const { page, problems } = await visit(browser, server.url);
      await page.waitForFunction("window.ready");
      const found = await page.evaluate(async (url) => {
        const { mirror, AgentStatus } = /** @type {any} */ (window).corestate;
        const far = await mirror(url, { name: "board" });
        const state = await far.ready({ timeout: 120000 });
        const news = state.events.subscribe({ kinds: "spike" });
        const spikes = [];
        for await (const { data } of news) if (spikes.push(new DataView(data.buffer, data.byteOffset).getUint32(0, true)) === 10) break;
        const light = state.gauges.find("light").value;
        const agents = [...state.agents].map((/** @type {any} */ { id, status, capabilities }) => [id, status === AgentStatus.RUNNING, capabilities.hz]);
        const { participants, reasons } = state.health();
        const { lost, holes } = news;
        far.close();
        return { spikes, lost, holes, light, agents: agents.sort(), alive: participants.used, silent: reasons.includes("link_silent") };
      }, wires.url); // prettier-ignore
      const { spikes, lost, holes, agents, alive, silent } = found;
      const missing = (spikes[9] - spikes[0]) / 100 - 9; // of a log of 64 events, on a machine with other things to do
      assert.ok(missing >= 0 && missing <= lost + holes, JSON.stringify(found));
      for (let i = 1; i < 10; i++) assert.ok(spikes[i] > spikes[i - 1] && spikes[i] % 100 === 0, JSON.stringify(found));
      assert.ok(found.light >= 0 && found.light < 50, String(found.light));
      assert.deepEqual({ agents, alive, silent }, { agents: [["light", true, 1000], ["pressure", true, 1000], ["temperature", true, 1000]], alive: 1, silent: false }); // prettier-ignore
      assert.deepEqual(problems, []);
      await page.close();
    } finally {
      wires.close();
      board.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true });
    }
  });
}
