/** Whether memory can be shared between threads here: in a page that takes cross-origin isolation. */
export function canShare() {
  if (typeof SharedArrayBuffer === "undefined") return false;
  return /** @type {any} */ (globalThis).crossOriginIsolated !== false;
}
