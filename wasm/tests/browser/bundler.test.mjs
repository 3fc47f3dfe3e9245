/** The package through a bundler (Vite): its wasm files and its worker are found and served from the bundle. */
import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { build } from "vite";
import { serve } from "../../examples/server.mjs";
import { ROOT, WASM } from "../../tools/compiler.mjs";
import { launch, visit } from "./browser.mjs";

const PAGE = `<!doctype html><html lang="en"><head><title>t</title><link rel="icon" href="data:,"><script type="module" src="/main.js"></script></head><body></body></html>`;
const MAIN = `
import { load, open } from "corestate";
const state = await open({ name: "bundled" });
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.postMessage(state.handle);
const event = await state.events.subscribe({ since: 0, kinds: ["from worker"] }).get();
const autosave = state.autosave({ every: 3600e3 });
await autosave.now();
const back = await load("bundled");
document.body.textContent = JSON.stringify([event.data, state.shared, autosave.saves, String(autosave.problem), String(back.counters.get("c").value)]);
`;
const WORKER = `
import { attach } from "corestate";
onmessage = async ({ data }) => {
  const state = await attach(data);
  globalThis.state = state;
  state.counters.get("c").add(7);
  state.events.publish("from worker", "hello");
};
`;

/** @type {string} */
let project;
before(() => {
  mkdirSync(path.join(ROOT, "build/wasm"), { recursive: true });
  project = mkdtempSync(path.join(ROOT, "build/wasm/bundled-"));
  mkdirSync(path.join(project, "node_modules"));
  symlinkSync(WASM, path.join(project, "node_modules/corestate"));
  for (const [name, text] of Object.entries({ "index.html": PAGE, "main.js": MAIN, "worker.js": WORKER })) writeFileSync(path.join(project, name), text);
});
after(() => rmSync(project, { recursive: true }));

test("bundled by Vite, in a page, its worker, and the worker behind autosave", async () => {
  await build({ root: project, logLevel: "error", worker: { format: "es" }, build: { target: "es2022", assetsInlineLimit: 0 } });
  const server = await serve({ "/": path.join(project, "dist") });
  const browser = await launch();
  try {
    const { page, problems } = await visit(browser, server.url);
    await page.waitForFunction("document.body.textContent !== ''");
    assert.deepEqual(JSON.parse((await page.textContent("body")) ?? ""), ["hello", true, 1, "null", "7"]);
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
    await server.close();
  }
});
