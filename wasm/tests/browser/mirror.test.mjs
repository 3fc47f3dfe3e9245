/** A13: a process's region in a page, by a stream that a WebSocket brings; cut and opened again; read by a worker. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { Source } from "../node/source.mjs";
import { launch, serveTests, visit } from "./browser.mjs";

const { WebSocketServer, createWebSocketStream } = /** @type {any} */ (createRequire(import.meta.url)("ws"));

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serveTests>>} */
let server;
/** @type {Source} */
let source;
/** @type {any} */
let sockets;
/** @type {string} */
let address;

before(async () => {
  [browser, server] = await Promise.all([launch(), serveTests()]);
  source = new Source();
  sockets = new WebSocketServer({ port: 0, host: "localhost" });
  /** @type {import("node:net").Socket[]} Senders' connections that nobody has yet. */
  const free = [];
  /** @type {any[]} */
  const waiting = [];
  const pair = () => {
    if (!free.length || !waiting.length) return;
    const [line, stream] = [/** @type {import("node:net").Socket} */ (free.shift()), waiting.shift()];
    line.pipe(stream).pipe(line);
    line.on("close", () => stream.destroy());
    stream.on("close", () => line.destroy()).on("error", () => {});
  };
  await source.listen((line) => (free.push(line), pair()));
  sockets.on("connection", (/** @type {any} */ socket) => (waiting.push(createWebSocketStream(socket)), pair()));
  await new Promise((resolve) => (sockets.address() ? resolve(null) : sockets.once("listening", resolve)));
  address = `ws://localhost:${sockets.address().port}/`;
  source.start();
});
after(async () => {
  await source?.close();
  for (const socket of sockets?.clients ?? []) socket.terminate();
  sockets?.close();
  await browser?.close();
  await server?.close();
});

test("p6: the page has what the process has, and goes on after the line was cut; a worker of the page reads it, too", async () => {
  const { page, problems } = await visit(browser, server.url);
  await page.waitForFunction("window.ready");
  await page.evaluate(async (url) => {
    const given = /** @type {any} */ (window);
    ({ describe: given.describe } = await import(/* @vite-ignore */ String("/node-tests/describe.mjs")));
    given.mirror = await given.corestate.mirror(url, { name: "far", silence: 1000 });
    given.state = await given.mirror.ready();
    given.heard = [];
    void (async () => {
      for await (const { data } of given.state.events.subscribe({ kinds: "turn" })) given.heard.push(data);
    })();
  }, address);
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

  for (const socket of sockets.clients) socket.terminate();
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
