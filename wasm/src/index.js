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
export { attach, canShare, open, probe, restore } from "./open.js";
export { Undecodable } from "./payload.js";
export { watchWorker } from "./realm.js";
export { State } from "./state.js";
