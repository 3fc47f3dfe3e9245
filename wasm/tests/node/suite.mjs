/** Builds the conformance suite as a module of its own. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { compile, CSRC, link, moduleSources, OBJECTS, VARIANTS, WASM } from "../../tools/compiler.mjs";

const TESTS = path.join(CSRC, "tests");

/** @param {keyof typeof VARIANTS} variant @returns {WebAssembly.Module} */
export function suiteModule(variant) {
  const { threads, flags } = VARIANTS[variant];
  const cases = readdirSync(TESTS).filter((name) => /^(case_.*|suite)\.c$/.test(name));
  const sources = [...moduleSources(), ...cases.map((name) => path.join(TESTS, name)), path.join(WASM, "tests/c/conformance.c")];
  const output = path.join(OBJECTS, `conformance-${variant}.wasm`);
  link(compile(`conformance-${variant}`, sources, [...flags, `-I${TESTS}`]), output, { threads });
  return new WebAssembly.Module(readFileSync(output));
}

/**
 * An instance of any module of ours, begun as csrc/port/wasm.h says, without the package's own JavaScript.
 * @param {WebAssembly.Module} module
 * @param {{shared: boolean, write?: (text: string) => void}} options
 */
export function begin(module, { shared, write = () => {} }) {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 1024, shared });
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const { exports } = new WebAssembly.Instance(module, {
    env: { memory },
    corestate: {
      now: () => performance.timeOrigin + performance.now(),
      coarse: () => Date.now(),
      monotonic: () => performance.now(),
      random: () => crypto.getRandomValues(new BigUint64Array(1))[0],
      sleep: (/** @type {number} */ ms) => Atomics.wait(sleeper, 0, 0, ms),
      woken: () => {},
      write: (/** @type {number} */ at, /** @type {number} */ length) =>
        write(new TextDecoder().decode(new Uint8Array(memory.buffer).slice(at, at + length))),
    },
  });
  const x = /** @type {any} */ (exports);
  x.__stack_pointer.value = 0;
  const seat = x.cs_wasm_sit(1, 42n, 1);
  x.__stack_pointer.value = x.cs_wasm_stack(seat);
  x.__wasm_init_tls?.(x.cs_wasm_locals(seat));
  x.cs_wasm_begin(seat);
  return { x, memory, seat };
}
