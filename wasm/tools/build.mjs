/**
 * Builds the package: two wasm modules, what JavaScript knows of them, the bundles, the types.
 *
 *     node tools/build.mjs [--wasm-only]
 */
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build as bundle } from "esbuild";
import { abi } from "./abi.mjs";
import { compile, CSRC, link, moduleSources, VARIANTS, WASM } from "./compiler.mjs";
import { abiModule, coreTypes, enumsModule } from "./generate.mjs";

const DIST = path.join(WASM, "dist");
const GENERATED = path.join(WASM, "generated");
const PAGE = 65536;
const LOCALS_BYTES = 512; // as csrc/port/wasm.c has it

/** @param {Iterable<string>} files @returns {bigint} 64 bits that differ when a source does */
function fingerprint(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(path.basename(file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest().readBigUInt64LE();
}

/** @param {string} directory @param {RegExp} pattern */
const files = (directory, pattern) =>
  readdirSync(directory).filter((name) => pattern.test(name)).sort().map((name) => path.join(directory, name)); // prettier-ignore

function sources() {
  return [
    ...moduleSources(),
    ...files(path.join(CSRC, "include/corestate"), /\.h$/),
    ...files(path.join(CSRC, "src"), /\.h$/),
    path.join(CSRC, "port/wasm.h"),
    ...files(path.join(WASM, "c"), /\.h$/),
    path.join(WASM, "tools/compiler.mjs"),
  ];
}

/** What only an instance can tell: where its static data ends. @param {string} file @param {boolean} shared */
function measure(file, shared) {
  const module = new WebAssembly.Module(readFileSync(file));
  const memory = new WebAssembly.Memory({ initial: 16, maximum: PAGE, shared });
  const zero = () => 0;
  const names = WebAssembly.Module.imports(module).filter((entry) => entry.module === "corestate");
  const { exports } = new WebAssembly.Instance(module, {
    env: { memory },
    corestate: Object.fromEntries(names.map((entry) => [entry.name, zero])),
  });
  const value = (/** @type {string} */ name) => /** @type {WebAssembly.Global} */ (exports[name]).value;
  if (shared && value("__tls_size") > LOCALS_BYTES)
    throw new Error(`thread-local words take ${value("__tls_size")} bytes; csrc/port/wasm.c has room for ${LOCALS_BYTES}`);
  return { pages: Math.ceil(value("__heap_base") / PAGE) };
}

/**
 * What JavaScript cannot call (it has no C function to pass), what is the port's own, and the sending half of mirrors: a page
 * shows what a board or a process streams.
 */
const NOT_EXPORTED = /^cs_port_|^cs_snapshot_write$|^cs_mirror_(open|step|picture|heard|sent_so_far|lines|collect)$/;

/** @param {string[]} functions of the headers */
function buildModules(functions) {
  const source = fingerprint(sources());
  const exports = functions.filter((name) => !NOT_EXPORTED.test(name));
  /** @type {Record<string, any>} */
  const variants = {};
  for (const [name, { threads, flags }] of Object.entries(VARIANTS)) {
    const build = BigInt.asUintN(64, source ^ (threads ? 1n : 0n));
    const output = path.join(DIST, threads ? "corestate-threads.wasm" : "corestate.wasm");
    link(compile(name, moduleSources(), flags), output, { threads, exports });
    chmodSync(output, 0o644); // the linker takes it for a program
    variants[name] = { build, bytes: statSync(output).size, ...measure(output, threads) };
  }
  return variants;
}

async function bundles() {
  const common = /** @type {const} */ ({ bundle: true, target: "es2022", legalComments: "inline", logLevel: "warning" });
  const modules = ["index", "saver"].map((name) => path.join(WASM, `src/${name}.js`));
  await bundle({ ...common, entryPoints: modules, format: "esm", outdir: DIST });
  await bundle({
    ...common,
    entryPoints: [path.join(WASM, "src/embedded.js")],
    format: "iife",
    globalName: "corestate",
    minify: true,
    outfile: path.join(DIST, "embedded.js"),
  });
}

function types() {
  const tsc = path.join(WASM, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", path.join(WASM, "tsconfig.types.json")], { stdio: "inherit" });
  copyFileSync(path.join(GENERATED, "core.d.ts"), path.join(DIST, "types/generated/core.d.ts")); // tsc leaves declarations where they are
}

rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST, { recursive: true });
mkdirSync(GENERATED, { recursive: true });
const description = abi();
const variants = buildModules(Object.keys(description.functions));
writeFileSync(path.join(GENERATED, "abi.js"), abiModule({ variants, ...description }));
writeFileSync(path.join(GENERATED, "enums.js"), enumsModule(description));
writeFileSync(path.join(GENERATED, "core.d.ts"), coreTypes(description));
if (!process.argv.includes("--wasm-only")) {
  await bundles();
  types();
}
for (const [name, { bytes }] of Object.entries(variants)) console.log(`${name}: ${bytes} bytes`);
