/** The server of the examples: what a stranger may ask of it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { serve } from "../../examples/server.mjs";

/** What the server answers to these bytes. @param {string} url @param {string} request @returns {Promise<string>} */
function ask(url, request) {
  return new Promise((resolve, reject) => {
    let said = "";
    const socket = connect(Number(new URL(url).port), "localhost");
    socket.on("data", (data) => (said += data));
    socket.on("close", () => resolve(said));
    socket.on("error", reject);
    socket.write(request);
  });
}

/** The status of a GET. @param {string} url @param {string} target */
async function status(url, target) {
  const said = await ask(url, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  return Number(/^HTTP\/1.1 (\d+)/.exec(said)?.[1]);
}

test("field x16: a request that cannot be read is a 400, and the server goes on", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "corestate-server-"));
  writeFileSync(path.join(folder, "index.html"), "here");
  const { url, close } = await serve({ "/": folder });
  try {
    for (const target of ["/%00", "/%E0%A4%A", "/%", "/%ff", "/a%00b", "//", "//[", "http://[", "\\\\x\\%"]) {
      assert.equal(await status(url, target), 400, target);
      assert.equal(await status(url, "/"), 200);
    }
    for (const target of ["/..%2f..%2fetc/passwd", "/../../etc/passwd", "/" + "a".repeat(10_000), "/index.html/x", "*"]) {
      assert.equal(await status(url, target), 404, target.slice(0, 40));
    }
    const said = await ask(url, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert.match(said, /^HTTP\/1.1 405 /);
    await ask(url, "nonsense\r\n\r\n");
    assert.equal(await status(url, "/"), 200);
  } finally {
    await close();
    rmSync(folder, { recursive: true });
  }
});
