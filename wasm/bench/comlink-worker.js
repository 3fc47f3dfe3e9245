/** What one would use instead: a call that Comlink carries by messages. */
import * as Comlink from "/modules/comlink/dist/esm/comlink.mjs";

let sum = 0;
Comlink.expose({ add: (n) => (sum += n) });
