/**
 * Reads, events and their peers, measured in one run in Chromium; prints the figures and whether the floors hold.
 *
 *     npm run bench [-- FILE]        FILE: gets the rows of the table as JSON
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { serve } from "../examples/server.mjs";
import { launch, LONG } from "../tests/browser/browser.mjs";
import { wheelNames, WHEELS } from "../tests/pyodide/prepare.mjs";
import { WASM } from "../tools/compiler.mjs";
import { median } from "./measure.js";

/** @typedef {Record<string, number>} Figures */
/** @typedef {{what: string, floor?: number, unit: "ns" | "us" | "x", value: number, beside?: string}} Row */

execFileSync(process.execPath, [path.join(WASM, "tests/pyodide/prepare.mjs")], { stdio: ["ignore", "ignore", "inherit"] }); // of this very build
const server = await serve({
  "/": path.join(WASM, "bench"),
  "/corestate/": path.join(WASM, "dist"),
  "/modules/": path.join(WASM, "node_modules"),
  "/wheels/": WHEELS,
});
const browser = await launch();
const version = browser.version();
const page = await browser.newPage();
page.setDefaultTimeout(LONG);
page.on("pageerror", (error) => console.error(String(error)));
await page.goto(`${server.url}/`);
await page.waitForFunction("globalThis.bench");
/** @type {{reads: Figures, trips: Record<string, number[]>, arrivals: Figures, python: Figures}} */
const { reads, trips, arrivals, python } = await page.evaluate((wheels) => /** @type {any} */ (globalThis).bench(wheels), wheelNames());
await browser.close();
await server.close();

const trip = (/** @type {string} */ name) => median(trips[name]);
/** Against postMessage in the same moments. @param {string} name */
const ratio = (name) => median(trips[name].map((taken, batch) => taken / trips.postMessage[batch]));
const us = (/** @type {number} */ value) => `${value.toFixed(1)} us`;
const ns = (/** @type {number} */ value) => `${value.toFixed(1)} ns`;

/** @type {Row[]} */
const rows = [
  { what: "JavaScript cell read, `engine.neuronCount`", floor: 15, unit: "ns", value: reads["engine.neuronCount"], beside: `plain Atomics.load ${ns(reads["Atomics.load"])}, by engine.view() ${ns(reads["engine.view()"])}` },
  { what: "JavaScript `counter.number`", unit: "ns", value: reads["counter.number"], beside: `counter.value, a BigInt, ${ns(reads["counter.value"])}` },
  { what: "JavaScript `counter.add()`", unit: "ns", value: reads["counter.add()"] },
  { what: "JavaScript event publish", unit: "ns", value: reads["events.publish()"] },
  { what: "event round trip of two workers, polling, against postMessage", floor: 0.2, unit: "x", value: ratio("event, polling"), beside: `${us(trip("event, polling"))}; postMessage ${us(trip("postMessage"))}, plain Atomics ${us(trip("Atomics, polling"))}` },
  { what: "the same, both asleep", floor: 1, unit: "x", value: ratio("event, asleep"), beside: `${us(trip("event, asleep"))}; plain Atomics ${us(trip("Atomics, asleep"))}, Comlink call of the page ${us(trip("Comlink call"))}` },
  { what: "event from worker to page", unit: "us", value: arrivals.event, beside: `postMessage ${us(arrivals.postMessage)}` },
  { what: "Pyodide hot read, `engine.neuron_count`", floor: 2, unit: "us", value: python["engine.neuron_count"], beside: `an empty call ${python["an empty call"].toFixed(2)} us` },
  { what: "Pyodide `counter.add()`", unit: "us", value: python["counter.add()"] },
  { what: "Pyodide event publish", unit: "us", value: python["events.publish()"] },
]; // prettier-ignore

for (const { what, floor, unit, value, beside = "" } of rows) {
  const verdict = floor === undefined ? "" : value <= floor ? `met (${floor})` : `MISSED (${floor})`;
  console.log(`${value.toFixed(2).padStart(8)} ${unit.padEnd(2)}  ${verdict.padEnd(12)}  ${what}${beside && `; ${beside}`}`);
}
if (process.argv[2]) writeFileSync(process.argv[2], JSON.stringify({ chromium: version, rows }, null, 2));
