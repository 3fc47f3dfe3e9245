/** The C suite, in both builds; each of its cases is a test here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, suiteModule } from "./suite.mjs";

for (const variant of /** @type {const} */ (["single", "threads"])) {
  await test(`conformance, ${variant}`, async (t) => {
    let said = "";
    const { x } = begin(suiteModule(variant), { shared: variant === "threads", write: (text) => (said += text) });
    const failures = x.conformance();
    const lines = said.split("\n");
    const cases = lines.filter((line) => /^(ok {3}|FAIL )\w+$/.test(line));
    assert.ok(cases.length > 50, `only ${cases.length} cases ran:\n${said}`);
    for (const line of cases) {
      const name = line.slice(5);
      await t.test(name, () => {
        const why = lines.filter((other) => other.startsWith(`FAIL ${name} `)).join("\n");
        assert.ok(line.startsWith("ok"), why);
      });
    }
    assert.equal(failures, 0, lines.at(-2));
  });
}
