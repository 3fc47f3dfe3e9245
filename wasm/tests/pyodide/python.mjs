/** Where Pyodide is, and how its tests are prepared; shared by node and Chromium. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT, WASM } from "../../tools/compiler.mjs";

export const PYODIDE = path.join(WASM, "node_modules/pyodide");
const RESULTS = path.join(ROOT, "build/results");

/** Far fewer than run: enough to notice when most of them have stopped running. */
const FEWEST = 400;

/**
 * Keep the results, report the number, and insist that every test that ran has passed.
 * @param {string} where "node" or "chromium"
 * @param {{status: number, xml: string, output: string}} found
 */
export function judge(where, { status, xml, output }) {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(path.join(RESULTS, `wasm-pyodide-${where}.xml`), xml);
  const count = (/** @type {string} */ what) => Number(new RegExp(` ${what}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  const passed = count("tests") - count("skipped") - count("failures") - count("errors");
  writeFileSync(path.join(RESULTS, `wasm-pyodide-${where}.count`), `${passed}\n`);
  console.log(`Python tests in Pyodide, ${where}: ${passed} passed, ${count("skipped")} need what a browser has not`);
  assert.equal(status, 0, output.slice(-8000));
  assert.ok(passed >= FEWEST, `only ${passed} ran`);
}
