/**
 * corestate in the browser and in node: one block of memory, shared by a page, its workers and Python in Pyodide.
 *
 *     import { open, BurstEngineState } from "corestate";
 *
 *     const state = await open({ name: "brain" });
 *     state.engine.burstState = BurstEngineState.RUNNING;
 *     state.counters.get("spikes").add(5);
 */
export * from "../generated/enums.js";
export * from "./errors.js";
export { Mirror, mirror } from "./mirror.js";
export { attach, fromImage, load, open, probe, restore } from "./open.js";
export { Undecodable } from "./payload.js";
export { watchWorker } from "./realm.js";
export { canShare } from "./sharing.js";
export { State } from "./state.js";
export { forget, saved } from "./storage.js";

/** @typedef {import("../generated/core.js").Config} Config */
/** @typedef {import("./agents.js").AgentInfo} AgentInfo */
/** @typedef {import("./autosave.js").Autosave} Autosave */
/** @typedef {import("./events.js").Event} Event */
/** @typedef {import("./events.js").Subscription} Subscription */
/** @typedef {import("./health.js").Health} Health */
/** @typedef {import("./line.js").Source} MirrorSource */
/** @typedef {import("./mirror.js").MirrorOptions} MirrorOptions */
/** @typedef {import("./mirror.js").MirrorReport} MirrorReport */
/** @typedef {import("./open.js").OpenOptions} OpenOptions */
/** @typedef {import("./region.js").Handle} Handle */
/** @typedef {import("./snapshot.js").Snapshot} Snapshot */
/** @typedef {import("./snapshot.js").SnapshotInfo} SnapshotInfo */
/** @typedef {import("./state.js").Participant} Participant */
