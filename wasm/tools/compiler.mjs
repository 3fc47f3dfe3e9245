/** How the C sources become wasm: which files, which flags. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const WASM = fileURLToPath(new URL("..", import.meta.url));
export const ROOT = path.join(WASM, "..");
/** The C sources: this tree's, unless another's are to be built. */
export const CSRC = process.env.WASM_CSRC ?? path.join(ROOT, "csrc");
export const OBJECTS = path.join(ROOT, "build", "wasm", "objects");
const CLANG = process.env.WASM_CLANG ?? "clang-19";
const LINKER = process.env.WASM_LD ?? "wasm-ld-19";

const LARGEST_MEMORY = 4 * 1024 ** 3;
const INITIAL_STACK = 65536; // of the linker's own making; no instance uses it

/** The two builds. `threads`: shared memory and atomics; else the words of a region are plain memory. */
export const VARIANTS = {
  single: { threads: false, flags: ["-mbulk-memory", "-mmutable-globals", "-msign-ext"] },
  threads: { threads: true, flags: ["-mbulk-memory", "-mmutable-globals", "-msign-ext", "-matomics"] },
};

const COMMON = [
  "--target=wasm32", "-std=c11", "-Oz", "-flto", "-fno-strict-aliasing", "-fvisibility=hidden", "-ffreestanding", "-fbuiltin",
  "-nostdlibinc", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wstrict-prototypes", "-Werror",
  `-isystem${path.join(CSRC, "cmake/freestanding")}`,
  `-I${path.join(CSRC, "include")}`, `-I${path.join(CSRC, "src")}`,
  `-I${path.join(CSRC, "port")}`, `-I${path.join(WASM, "c")}`,
]; // prettier-ignore

/** @param {string} directory @returns {string[]} its C files */
const sourcesIn = (directory) =>
  readdirSync(directory).filter((name) => name.endsWith(".c")).sort().map((name) => path.join(directory, name)); // prettier-ignore

/** The sources of the module itself. */
export const moduleSources = () => [
  ...sourcesIn(path.join(CSRC, "src")),
  path.join(CSRC, "port/wasm.c"),
  ...sourcesIn(path.join(WASM, "c")),
];

/** @param {string[]} args @returns {string} what the compiler wrote to its standard output */
export const clang = (args) =>
  execFileSync(CLANG, [...COMMON, ...args], { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });

/**
 * Compile sources into objects.
 * @param {string} name of the directory the objects go to
 * @param {string[]} sources
 * @param {string[]} flags
 * @returns {string[]} the objects
 */
export function compile(name, sources, flags) {
  const directory = path.join(OBJECTS, name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return sources.map((source, index) => {
    const object = path.join(directory, `${index}-${path.basename(source, ".c")}.o`);
    const own = path.basename(source) === "memory.c" ? ["-fno-builtin-memcpy", "-fno-builtin-memset", "-fno-builtin-memmove", "-fno-builtin-memcmp"] : [];
    clang([...flags, ...own, "-c", source, "-o", object]);
    return object;
  });
}

/**
 * Link objects into a module that imports its memory.
 * @param {string[]} objects
 * @param {string} output
 * @param {{threads: boolean, exports?: string[], extra?: string[]}} options `exports`: what the module gives, and so what stays in
 *   it; if not given, everything with default visibility
 */
export function link(objects, output, { threads, exports, extra = [] }) {
  mkdirSync(path.dirname(output), { recursive: true });
  execFileSync(LINKER, [
    ...objects, "-o", output, "--no-entry", "--gc-sections", "--strip-all", "--import-memory",
    ...(exports ? exports.map((name) => `--export=${name}`) : ["--export-dynamic"]),
    "--export=__stack_pointer", "--export=__heap_base", `--max-memory=${LARGEST_MEMORY}`,
    "-z", `stack-size=${INITIAL_STACK}`, "--global-base=1024",
    ...(threads ? ["--shared-memory", "--export=__wasm_init_tls", "--export=__tls_size"] : []),
    ...extra,
  ], { stdio: ["ignore", "inherit", "inherit"] }); // prettier-ignore
}
