/**
 * Reads, events and their peers, measured in one run in Chromium; prints the figures and whether the floors hold.
 *
 *     npm run bench
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve } from "../examples/server.mjs";
import { launch } from "../tests/browser/browser.mjs";
import { wheelNames, WHEELS } from "../tests/pyodide/prepare.mjs";
import { ROOT, WASM } from "../tools/compiler.mjs";

const server = await serve({
  "/": path.join(WASM, "bench"),
  "/corestate/": path.join(WASM, "dist"),
  "/modules/": path.join(WASM, "node_modules"),
  "/wheels/": WHEELS,
});
const browser = await launch();
const page = await browser.newPage();
page.on("pageerror", (error) => console.error(String(error)));
await page.goto(`${server.url}/`);
await page.waitForFunction("globalThis.bench");
/** @type {Record<string, Record<string, number>>} */
const found = await page.evaluate((wheels) => /** @type {any} */ (globalThis).bench(wheels), wheelNames());
await browser.close();
await server.close();

for (const [unit, figures] of Object.entries(found)) {
  console.log(`\n${unit}`);
  for (const [name, value] of Object.entries(figures)) console.log(`  ${value.toFixed(2).padStart(9)}  ${name}`);
}
const ns = found["nanoseconds a call"];
const us = found.microseconds;
const message = us["round trip, postMessage"];
/** @type {[string, number, number][]} */
const floors = [
  ["JavaScript read through the core, ns", ns["engine.neuronCount, through the core"], 15],
  ["Pyodide read, us", found["microseconds a call in Pyodide"]["engine.neuron_count"], 2],
  ["event round trip, polling, us (a fifth of postMessage)", us["round trip, event, polling"], message / 5],
  ["event round trip, asleep, us (postMessage)", us["round trip, event, asleep"], message],
];
console.log("\nfloors");
for (const [name, value, floor] of floors) console.log(`  ${value <= floor ? "met   " : "MISSED"} ${value.toFixed(2)} of ${floor.toFixed(2)}  ${name}`);
mkdirSync(path.join(ROOT, "build/results"), { recursive: true });
writeFileSync(path.join(ROOT, "build/results/wasm-bench.json"), JSON.stringify(found, null, 2));
