/** One run of the Python tests in Pyodide: the same in node and in a worker of Chromium. */

/**
 * @typedef {object} Wanted
 * @property {string} wheels where the wheels are served
 * @property {string[]} names of the wheels; corestate's is one of them
 * @property {Record<string, string>} files of the tests, by their path
 * @property {string[]} args for pytest
 */

const PREPARE = `
import pathlib, sys
for name, content in files.items():
    place = pathlib.Path("/tests", name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
`;

const INSTALL = `
import micropip
await micropip.install(urls, deps=False)
`;

const RUN = `
import io, pathlib, sys, pytest
sys.dont_write_bytecode = True
result = int(pytest.main([*args, "-c", "/tests/pytest.ini", "--rootdir", "/tests", "--junitxml=/results.xml", "-p", "no:cacheprovider", "/tests"]))
xml = pathlib.Path("/results.xml").read_text() if pathlib.Path("/results.xml").exists() else ""
`;

/**
 * @param {any} pyodide loaded
 * @param {Wanted} wanted
 * @returns {Promise<{status: number, xml: string, output: string}>}
 */
export async function runTests(pyodide, { wheels, names, files, args }) {
  let output = "";
  const batched = (/** @type {string} */ line) => (output += `${line}\n`);
  pyodide.setStdout({ batched });
  pyodide.setStderr({ batched });
  const wheel = (/** @type {string} */ name) => names.find((one) => one.toLowerCase().startsWith(`${name}-`));
  await pyodide.loadPackage([`${wheels}/${wheel("micropip")}`, `${wheels}/${wheel("packaging")}`]);
  const urls = names.filter((name) => !/^(micropip|packaging)-/.test(name)).map((name) => `${wheels}/${name}`);
  pyodide.globals.set("urls", pyodide.toPy(urls));
  pyodide.globals.set("files", pyodide.toPy(files));
  pyodide.globals.set("args", pyodide.toPy(args));
  await pyodide.runPythonAsync(INSTALL);
  await pyodide.runPythonAsync(PREPARE);
  await pyodide.runPythonAsync(RUN);
  return { status: pyodide.globals.get("result"), xml: pyodide.globals.get("xml"), output };
}
