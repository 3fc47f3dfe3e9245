/** P6: one script makes the same bytes in wasm, on this machine and on a board; all of them open here, every field alike. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromImage } from "corestate";
import { ROOT } from "../../tools/compiler.mjs";
import { describe } from "./describe.mjs";
import { makeOnBoard, scriptHere, scriptOnHost } from "./script.mjs";

const SAME = fileURLToPath(new URL("same.py", import.meta.url));
const describeOnHost = (/** @type {string} */ file) =>
  JSON.parse(execFileSync(path.join(ROOT, ".venv/bin/python"), [SAME, "describe", file], { encoding: "utf8" }));

suite("p6, by one script", () => {
  /** @type {string} */
  let directory;
  /** @type {string} */
  let host;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "corestate-script-"));
    host = path.join(directory, "host.state");
    scriptOnHost("make", host);
  });
  after(() => rmSync(directory, { recursive: true }));

  for (const variant of /** @type {const} */ (["single", "threads"])) {
    test(`wasm makes the host's bytes and reads its fields, ${variant}`, () => {
      const here = scriptHere(variant);
      const bytes = readFileSync(host);
      assert.ok(bytes.equals(here.make()));
      const lines = here.show(bytes);
      assert.ok(lines.split("\n").length > 700);
      assert.equal(lines, scriptOnHost("show", host));
    });
  }

  // Without an emulator there is no board; wasm/run-tests puts that on record.
  for (const where of process.env.WASM_NO_BOARD ? ["host"] : ["host", "board"]) {
    test(`the ${where}'s region opens here, and every field is as Python has it`, async () => {
      const file = path.join(directory, `${where}.state`);
      if (where === "board") {
        makeOnBoard(file);
        assert.ok(readFileSync(file).equals(readFileSync(host)));
      }
      const expected = describeOnHost(file);
      for (const shared of [false, true]) {
        const state = await fromImage(readFileSync(file), { shared, mode: "r" });
        assert.deepEqual(describe(state), expected);
        state.close();
      }
    });
  }
});
