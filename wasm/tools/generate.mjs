/** Turns the description of the C side into JavaScript and TypeScript. */

/** JavaScript of plain data, BigInts included. @param {unknown} value @returns {string} */
function literal(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value && typeof value === "object") {
    const entries = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${literal(inner)}`);
    return `{ ${entries.join(", ")} }`;
  }
  return JSON.stringify(value);
}

/** A module with one export for each part, so that a bundle takes only what it uses. @param {object} parts */
export function abiModule(parts) {
  const exports = Object.entries(parts).map(([name, part]) => `export const ${name} = ${literal(part)};\n`);
  return `/** Generated from the C headers. */\n${exports.join("")}`;
}

/** "event_bytes" as "eventBytes". @param {string} name */
const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** @param {string} type as in C @returns {string} as JavaScript passes it to wasm */
function javascript(type) {
  if (type === "void") return "void";
  return /^(u?int64_t|cs_handle)$/.test(type) ? "bigint" : "number";
}

/**
 * Types of what the modules export, and of a region's configuration.
 * @param {import("./abi.mjs").Abi} abi
 */
export function coreTypes(abi) {
  const functions = Object.entries(abi.functions).map(([name, { result, parameters }]) => {
    const list = parameters.map((parameter) => `${parameter.name}: ${javascript(parameter.type)}`).join(", ");
    return `  ${name}(${list}): ${javascript(result)};`;
  });
  const config = abi.structs.cs_config.fields.map((field) => `  ${camel(field.name)}: number;`);
  return [
    "/* Generated from the C headers. */",
    "/** What the core exports; pointers are numbers. */",
    "export interface CoreExports {",
    "  __stack_pointer: WebAssembly.Global;",
    "  __wasm_init_tls?(block: number): void;",
    ...functions,
    "}",
    "",
    "/** How many of everything a region has room for; see csrc/include/corestate/region.h for the bounds. */",
    "export interface Config {",
    ...config,
    "}",
    "",
  ].join("\n");
}

/** Enums users name: as in Python, from those of the core. [name, enum, what its members begin with] */
const ENUMS = [
  ["BurstEngineState", "cs_burst_engine_state", "CS_BURST_"],
  ["GenomeState", "cs_genome_state", "CS_GENOME_"],
  ["ConnectomeState", "cs_connectome_state", "CS_CONNECTOME_"],
  ["ServiceState", "cs_service_state", "CS_SERVICE_"],
  ["AgentType", "cs_agent_type", "CS_AGENT_"],
  ["AgentStatus", "cs_agent_status", "CS_AGENT_"],
  ["DeregisterReason", "cs_agent_reason", "CS_REASON_"],
  ["Verdict", "cs_verdict", "CS_HEALTH_"],
];
/** Not members: how many there are. */
const COUNTS = /_(TYPES|STATUSES)$/;

/** A module of frozen objects, one for each enum. @param {import("./abi.mjs").Abi} abi */
export function enumsModule(abi) {
  const exports = ENUMS.map(([name, from, prefix]) => {
    const members = Object.entries(abi.enums[from])
      .filter(([member]) => !COUNTS.test(member))
      .map(([member, value]) => `  ${member.slice(prefix.length)}: ${value},`);
    return `export const ${name} = Object.freeze(/** @type {const} */ ({\n${members.join("\n")}\n}));\n`;
  });
  return `/** Generated from the C headers: the states and types of the live region. */\n${exports.join("")}`;
}
