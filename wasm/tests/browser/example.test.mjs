/** The example page, as a user has it: the engine in Python runs, input reaches it, a reload loses nothing, a phone shows it. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { serveExample } from "../../examples/serve.mjs";
import { ARTEFACTS, launch, LONG, visit } from "./browser.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serveExample>>} */
let server;
/** @type {import("playwright-core").Page} */
let page;
/** @type {string[]} */
let problems;

before(async () => {
  server = await serveExample(0);
  browser = await launch();
  ({ page, problems } = await visit(await browser.newContext({ viewport: { width: 1280, height: 900 } }), `${server.url}/`));
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @param {string} name */
const shot = (name) => page.screenshot({ path: path.join(ARTEFACTS, `${name}.png`), fullPage: true });

test("the engine in Python runs, and both agents are registered", async () => {
  await page.waitForFunction(() => /** @type {any} */ (globalThis).state?.engine.burstCount > 20);
  assert.equal(await page.textContent("#status"), "running");
  assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).state.engine.neuronCount), 360);
  await page.waitForFunction(() => document.querySelectorAll("#agents tr").length === 2);
  assert.deepEqual((await page.locator("#agents td:first-child").allTextContents()).sort(), ["burst_engine", "sensor"]);
  await page.waitForFunction(() => document.querySelectorAll("#events li").length >= 10);
});

test("the pointer is sensed, and the neurons of its area answer", async () => {
  const pad = await page.locator("#pad").boundingBox();
  assert.ok(pad);
  let peak = 0;
  const end = performance.now() + LONG;
  for (let i = 0; peak < 3 && performance.now() < end; i++) {
    await page.mouse.move(pad.x + (0.5 + 0.45 * Math.sin(i)) * pad.width, pad.y + (0.5 + 0.45 * Math.cos(i * 1.3)) * pad.height);
    peak = await page.evaluate(() => /** @type {any} */ (globalThis).state.gauges.get("activity.pointer").value);
  }
  assert.ok(peak >= 3, `its activity came to ${peak} percent`);
  await shot("example");
});

test("the keyboard does everything: pause, run, excite, sense", async () => {
  await page.locator("#run").focus();
  await page.keyboard.press("Space");
  await page.waitForFunction(() => /** @type {any} */ (globalThis).state.engine.burstState === 4);
  assert.equal(await page.textContent("#run"), "Run");
  const paused = await page.evaluate(() => /** @type {any} */ (globalThis).state.engine.burstCount);
  await page.keyboard.press("Enter");
  await page.waitForFunction((before) => /** @type {any} */ (globalThis).state.engine.burstCount > before, paused);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "poke");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "frequency");
  await page.keyboard.press("Home");
  assert.equal(await page.textContent("#frequency-shown"), "2");
  await page.keyboard.press("End");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "pad");
  const before = await page.evaluate(() => /** @type {any} */ (globalThis).state.gauges.get("pointer.x").value);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  assert.notEqual(await page.evaluate(() => /** @type {any} */ (globalThis).state.gauges.get("pointer.x").value), before);
});

test("a reload loses nothing that was saved", async () => {
  const bursts = await page.evaluate(() => /** @type {any} */ (globalThis).state.engine.burstCount);
  const saves = async () => Number(/saved (\d+)/.exec((await page.textContent("#saved")) ?? "")?.[1] ?? 0);
  const already = await saves();
  await page.waitForFunction((before) => Number(/saved (\d+)/.exec(document.querySelector("#saved")?.textContent ?? "")?.[1] ?? 0) > before + 1, already); // prettier-ignore
  await page.reload();
  await page.waitForFunction(() => /** @type {any} */ (globalThis).state);
  const restored = await page.evaluate(() => /** @type {any} */ (globalThis).state.engine.burstCount);
  assert.ok(restored >= bursts, `${restored} bursts after the reload, ${bursts} before`);
  await page.waitForFunction((before) => /** @type {any} */ (globalThis).state.engine.burstCount > before, restored);
});

test("on a phone everything is within its width", async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForFunction(() => (document.querySelector(".u-wrap")?.clientWidth ?? 999) <= 390);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  const small = await page.evaluate(() => [...document.querySelectorAll("button, input")].filter((one) => one.getBoundingClientRect().height < 40).length);
  assert.equal(small, 0, "controls too small for a finger");
  await shot("example-phone");
});

test("start over forgets what was kept", async () => {
  await page.locator("#forget").click();
  await page.waitForFunction(() => document.querySelector("#status")?.textContent !== "restored" && /** @type {any} */ (globalThis).state?.engine.burstCount < 5); // prettier-ignore
});

test("nothing was reported to the console", () => {
  assert.deepEqual(problems, []);
});
