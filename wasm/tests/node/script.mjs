/** The script of embedded/tests/same.c, as wasm and for this machine, and a board's image made by it. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { compile, CSRC, link, OBJECTS, ROOT, VARIANTS, WASM } from "../../tools/compiler.mjs";

const SCRIPT = path.join(ROOT, "embedded/tests");
const OUT = path.join(ROOT, "build/wasm/embedded");

/** @param {keyof typeof VARIANTS} variant */
export function scriptHere(variant) {
  const { threads, flags } = VARIANTS[variant];
  const core = readdirSync(path.join(CSRC, "src")).filter((name) => name.endsWith(".c")).map((name) => path.join(CSRC, "src", name)); // prettier-ignore
  const own = [path.join(SCRIPT, "same.c"), path.join(SCRIPT, "same_port.c"), path.join(WASM, "c/memory.c"), path.join(WASM, "tests/c/same.c")];
  const output = path.join(OBJECTS, `same-${variant}.wasm`);
  link(compile(`same-${variant}`, [...core, ...own], [...flags, `-I${SCRIPT}`]), output, { threads });
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: threads });
  let said = "";
  const write = (/** @type {number} */ at, /** @type {number} */ length) =>
    void (said += new TextDecoder().decode(new Uint8Array(memory.buffer).slice(at, at + length)));
  const module = new WebAssembly.Module(readFileSync(output));
  const x = /** @type {any} */ (new WebAssembly.Instance(module, { env: { memory }, corestate: { write } }).exports);
  const bytes = () => new Uint8Array(memory.buffer, x.script_memory());
  return {
    make: () => bytes().slice(0, x.script_make()),
    /** Every field of every section, a line each. @param {Uint8Array} region */
    show(region) {
      bytes().set(region);
      said = "";
      const result = x.script_show(region.length);
      if (result !== 0) throw new Error(`show: ${result}`);
      return said;
    },
  };
}

/** @param {string} target of embedded/Makefile @returns {string} where it is */
export function made(target) {
  execFileSync("make", ["-s", "-C", path.join(ROOT, "embedded"), `OUT=${OUT}`, "TOOLCHAINS=gcc", path.join(OUT, target)], { stdio: ["ignore", "ignore", "inherit"] });
  return path.join(OUT, target);
}

/** The same for this machine. @param {"make" | "show"} what @param {string} file */
export const scriptOnHost = (what, file) => execFileSync(made("same-host"), [what, file], { encoding: "utf8" });

/** A region that an emulated board made. @param {string} file */
export function makeOnBoard(file) {
  const words = ["image", "make", file].map((word) => `arg=${word}`).join(",");
  execFileSync("qemu-system-arm", [
    "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none", "-chardev", "stdio,id=text,signal=off",
    "-semihosting-config", `enable=on,target=native,chardev=text,${words}`, "-kernel", made("gcc/same.elf"),
  ], { stdio: ["ignore", "ignore", "inherit"] }); // prettier-ignore
}
