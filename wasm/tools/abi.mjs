/**
 * What JavaScript and Python know of the C side, asked of the compiler: every constant, enum, struct and function of the
 * public headers, with sizes and offsets as they are in wasm32. Nothing here is typed by hand, and nothing else in this
 * package knows an offset.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { clang, compile, link, OBJECTS } from "./compiler.mjs";

const HEADERS = ["corestate/corestate.h", "wasm.h", "instance.h"];
const OURS = /^(cs_|CS_)/;
const MACRO = /^#define (CS_[A-Z0-9_]+) -?(?:0x[0-9A-Fa-f]+|[0-9]+)$/;

/** C types to what they are in wasm32; anything with a `*` is a pointer. */
const SCALARS = new Map([
  ["char", "i8"], ["unsigned char", "u8"], ["int", "i32"], ["unsigned int", "u32"], ["uint8_t", "u8"], ["uint16_t", "u16"],
  ["uint32_t", "u32"], ["int32_t", "i32"], ["uint64_t", "u64"], ["int64_t", "i64"], ["cs_handle", "u64"],
  ["double", "f64"], ["void", "void"],
]); // prettier-ignore

/**
 * @typedef {{name: string, kind: string, count: number, offset: number}} Field `kind` is a scalar, "pointer" or a struct
 * @typedef {{size: number, fields: Field[]}} Struct
 * @typedef {{result: string, parameters: {name: string, type: string}[]}} Signature types as in C, without typedefs
 * @typedef {{constants: Record<string, number | bigint>, enums: Record<string, Record<string, number>>,
 *            structs: Record<string, Struct>, functions: Record<string, Signature>}} Abi
 */

/** @param {string} directory a file that includes everything */
function umbrella(directory) {
  const file = path.join(directory, "umbrella.c");
  writeFileSync(file, HEADERS.map((header) => `#include "${header}"\n`).join(""));
  return file;
}

/** @param {any} node @returns {Generator<any>} */
function* walk(node) {
  yield node;
  for (const inner of node.inner ?? []) yield* walk(inner);
}

/** @param {string} type e.g. "char[64]" */
function shape(type) {
  const array = /^(.*?)\s*\[(\d+)\]$/.exec(type);
  const element = array ? array[1] : type;
  const count = array ? Number(array[2]) : 1;
  if (element.includes("*") || element.endsWith("_fn")) return { kind: "pointer", count };
  return { kind: SCALARS.get(element) ?? element, count };
}

/** @param {any} ast */
function declarations(ast) {
  /** @type {Record<string, Record<string, number>>} */
  const enums = {};
  /** @type {Record<string, {name: string, kind: string, count: number}[]>} */
  const structs = {};
  /** @type {Abi["functions"]} */
  const functions = {};
  for (const node of ast.inner) {
    if (!OURS.test(node.name ?? "")) continue;
    if (node.kind === "EnumDecl") {
      let next = 0;
      enums[node.name] = {};
      for (const constant of node.inner.filter((/** @type {any} */ n) => n.kind === "EnumConstantDecl")) {
        const value = [...walk(constant)].find((inner) => inner.kind === "ConstantExpr")?.value;
        next = value === undefined ? next : Number(value);
        enums[node.name][constant.name] = next++;
      }
    } else if (node.kind === "RecordDecl" && node.completeDefinition) {
      structs[node.name] = node.inner
        .filter((/** @type {any} */ n) => n.kind === "FieldDecl")
        .map((/** @type {any} */ n) => ({ name: n.name, ...shape(n.type.qualType) }));
    } else if (node.kind === "FunctionDecl") {
      functions[node.name] = {
        result: node.type.qualType.replace(/\s*\(.*$/, ""),
        parameters: (node.inner ?? [])
          .filter((/** @type {any} */ n) => n.kind === "ParmVarDecl")
          .map((/** @type {any} */ n) => ({ name: n.name, type: n.type.qualType })),
      };
    }
  }
  return { enums, structs, functions };
}

/** Values the compiler works out: each expression as a u64. @param {string} file @param {string[]} expressions */
function evaluate(file, expressions) {
  const source = path.join(OBJECTS, "abi-values.c");
  const output = path.join(OBJECTS, "abi-values.wasm");
  const values = expressions.map((expression) => `    (uint64_t)(${expression}),\n`).join("");
  writeFileSync(
    source,
    `#include "${file}"\nextern const uint64_t values[${expressions.length}];\n` +
      `__attribute__((visibility("default"))) const uint64_t values[${expressions.length}] = {\n${values}};\n`,
  );
  link(compile("abi", [source], ["-Wno-sign-conversion"]), output, { threads: false, extra: ["--export=values"] });
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(output)), { env: { memory } });
  const start = /** @type {WebAssembly.Global} */ (instance.exports.values).value;
  return [...new BigUint64Array(memory.buffer, start, expressions.length)];
}

/** @returns {Abi} */
export function abi() {
  mkdirSync(OBJECTS, { recursive: true });
  const file = umbrella(OBJECTS);
  const { enums, structs: shapes, functions } = declarations(JSON.parse(clang(["-Xclang", "-ast-dump=json", "-fsyntax-only", file])));
  const macros = clang(["-E", "-dM", file]).split("\n").flatMap((line) => MACRO.exec(line)?.[1] ?? []).sort(); // prettier-ignore
  const expressions = [
    ...macros,
    ...Object.entries(shapes).flatMap(([name, fields]) => [`sizeof(${name})`, ...fields.map((field) => `offsetof(${name}, ${field.name})`)]),
  ];
  const values = evaluate(file, expressions).values();
  const next = () => /** @type {bigint} */ (values.next().value);
  /** @type {Abi["constants"]} */
  const constants = {};
  for (const name of macros) {
    const value = next();
    constants[name] = value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }
  for (const members of Object.values(enums)) Object.assign(constants, members);
  /** @type {Abi["structs"]} */
  const structs = {};
  for (const [name, fields] of Object.entries(shapes)) {
    const size = Number(next());
    structs[name] = { size, fields: fields.map((field) => ({ ...field, offset: Number(next()) })) };
  }
  return { constants, enums, structs, functions };
}
