/** A real Chromium on pages served from this tree. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { serve } from "../../examples/server.mjs";
import { ROOT, WASM } from "../../tools/compiler.mjs";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** What tests leave behind to be looked at. */
export const ARTEFACTS = path.join(ROOT, "build/wasm/artefacts");
mkdirSync(ARTEFACTS, { recursive: true });

/** Milliseconds after which what has not come will not come, also on a machine with other things to do. */
export const LONG = 180000;

export const launch = () => chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox"], timeout: LONG });

const MOUNTS = {
  "/": path.join(WASM, "tests/browser/pages"),
  "/corestate/": path.join(WASM, "dist"),
  "/modules/": path.join(WASM, "node_modules"),
  "/node-tests/": path.join(WASM, "tests/node"),
  "/pyodide-tests/": path.join(WASM, "tests/pyodide"),
  "/wheels/": path.join(ROOT, "build/wasm/wheels"),
};

/** The tests' own pages at /, the package at /corestate/. @param {Record<string, string>} [headers] */
export const serveTests = (headers) => serve(MOUNTS, headers ? { headers } : {});

/**
 * A page that fails the test when it has console errors or throws.
 * @param {import("playwright-core").Browser | import("playwright-core").BrowserContext} browser
 * @param {string} url
 */
export async function visit(browser, url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(LONG);
  /** @type {string[]} */
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(url, { timeout: LONG });
  return { page, problems };
}
