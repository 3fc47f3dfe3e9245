/** For Python in Pyodide, which evaluates this as one script and hands over the compiled core itself. */
export { Core } from "./instance.js";
export { realm } from "./realm.js";
export { Region } from "./region.js";
