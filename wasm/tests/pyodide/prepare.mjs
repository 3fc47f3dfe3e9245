/** What the tests in Pyodide need: wheels on this disk, and the Python tests as text. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT, WASM } from "../../tools/compiler.mjs";

const BUILD = path.join(ROOT, "build/wasm");
export const WHEELS = path.join(BUILD, "wheels");
const HERE = path.join(WASM, "tests/pyodide");
const REQUIREMENTS = path.join(HERE, "requirements.txt");
const PIP = path.join(ROOT, ".venv/bin/pip");

/** Directories of tests/ whose tests are about the live region, and so can mean something here. */
const SUITES = ["binding", "region", "state", "promises"];
/** These compare the package with the C headers and other files of the tree. */
const ABOUT_THE_TREE = /test_binding_(declarations|headers)\.py$/;

/** @param {string[]} args @param {Record<string, string>} [env] */
const pip = (args, env = {}) => execFileSync(PIP, args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...env } });

/** The wheels of others, once. */
function thirdParty() {
  const stamp = path.join(WHEELS, "requirements.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(REQUIREMENTS, "utf8")) return;
  rmSync(WHEELS, { recursive: true, force: true });
  mkdirSync(WHEELS, { recursive: true });
  const pure = ["--only-binary=:all:", "--implementation", "py", "--abi", "none", "--platform", "any", "--python-version", "3.14"];
  pip(["download", "-q", "--no-deps", "--require-hashes", ...pure, "-d", WHEELS, "-r", REQUIREMENTS]);
  const msgpack = path.join(BUILD, "msgpack.txt");
  writeFileSync(msgpack, execFileSync(path.join(ROOT, "tools/pinned"), ["base", "msgpack"]));
  const built = ["--no-deps", "--require-hashes", "--no-build-isolation", "--no-binary", "msgpack"];
  pip(["wheel", "-q", ...built, "-w", WHEELS, "-r", msgpack], { MSGPACK_PUREPYTHON: "1" });
  cpSync(REQUIREMENTS, stamp);
}

/** Our own, from a copy of the tree: setuptools would else pick up what earlier builds left in it. */
function ours() {
  const tree = path.join(BUILD, "wheel-tree");
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(path.join(tree, "wasm"), { recursive: true });
  for (const name of ["setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"]) cpSync(path.join(ROOT, name), path.join(tree, name));
  cpSync(path.join(ROOT, "src"), path.join(tree, "src"), { recursive: true, filter: (name) => !/\.(so|egg-info)$|__pycache__/.test(name) });
  cpSync(path.join(WASM, "dist"), path.join(tree, "wasm/dist"), { recursive: true });
  for (const old of readdirSync(WHEELS)) if (old.startsWith("corestate-")) rmSync(path.join(WHEELS, old));
  pip(["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", WHEELS, tree], { CORESTATE_PURE: "1" });
}

/** The names of the wheels that `npm run wheels` has prepared. */
export function wheelNames() {
  const names = existsSync(WHEELS) ? readdirSync(WHEELS).filter((name) => name.endsWith(".whl")) : [];
  if (!names.some((name) => name.startsWith("corestate-"))) throw new Error(`no wheels in ${WHEELS}: run \`npm run wheels\` first`);
  return names;
}

/** @param {string} directory @returns {string[]} */
function pythonIn(directory) {
  return readdirSync(directory).flatMap((name) => {
    const place = path.join(directory, name);
    if (statSync(place).isDirectory()) return name === "__pycache__" ? [] : pythonIn(place);
    return name.endsWith(".py") && name !== "conftest.py" && !ABOUT_THE_TREE.test(name) ? [place] : [];
  });
}

/** The files pytest gets: the project's own tests as they are, and the conftest that gives them memory. */
export function testFiles() {
  const tests = path.join(ROOT, "tests");
  const found = SUITES.filter((suite) => existsSync(path.join(tests, suite))).flatMap((suite) => pythonIn(path.join(tests, suite)));
  return Object.fromEntries([
    ...found.map((file) => [path.relative(tests, file), readFileSync(file, "utf8")]),
    ["conftest.py", readFileSync(path.join(HERE, "conftest.py"), "utf8")],
    ["pytest.ini", "[pytest]\nfilterwarnings = error\nmarkers =\n    slow: takes more than a few seconds\n    timeout: of pytest-timeout\nxfail_strict = true\n"],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  thirdParty();
  ours();
  console.log(wheelNames().join("\n"));
}
