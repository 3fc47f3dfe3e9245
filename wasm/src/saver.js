/** The worker behind autosave: attached read-only, it takes the pictures and saves them, so that the page never waits for it. */
import { pictureOf } from "./autosave.js";
import { toPlain } from "./errors.js";
import { attach } from "./open.js";
import { put } from "./storage.js";

/** @type {Promise<import("./state.js").State> | undefined} */
let attached;
let name = "";
let saved = "";

/** @param {number} number @param {boolean} evenIfSame */
async function save(number, evenIfSame) {
  try {
    const state = await /** @type {NonNullable<typeof attached>} */ (attached);
    const { bytes, version } = pictureOf(state);
    const changed = version !== saved || evenIfSame;
    if (changed) await put(name, bytes);
    saved = version;
    postMessage({ number, saved: changed });
  } catch (problem) {
    postMessage({ number, problem: toPlain(problem) });
  }
}

globalThis.onmessage = async ({ data }) => {
  if (data === "stop") {
    (await attached)?.close();
    close();
  } else if (data.handle) {
    name = data.name;
    attached = attach(data.handle, { mode: "r" });
    attached.catch(() => {}); // whoever asks for a save is told
  } else {
    await save(data.number, data.evenIfSame);
  }
};
