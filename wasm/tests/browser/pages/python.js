/** A worker with Pyodide: runs the Python tests, or what it is told to. */
import { loadPyodide } from "/modules/pyodide/pyodide.mjs";
import { runTests } from "/pyodide-tests/session.mjs";

const pyodide = await loadPyodide({ indexURL: "/modules/pyodide/" });

async function install({ wheels, names }) {
  const find = (start) => `${wheels}/${names.find((name) => name.startsWith(start))}`;
  await pyodide.loadPackage([find("micropip-"), find("packaging-")]);
  pyodide.globals.set("urls", pyodide.toPy(["click-", "msgpack-", "corestate-", "rich-", "pygments-", "markdown_it", "mdurl-"].map(find)));
  await pyodide.runPythonAsync("import micropip\nawait micropip.install(urls, deps=False)");
  return "installed";
}

async function run({ source, handle }) {
  if (handle) pyodide.globals.set("handle", handle);
  pyodide.globals.set("say", (what) => postMessage({ said: what }));
  const found = await pyodide.runPythonAsync(source);
  return found?.toJs?.({ dict_converter: Object.fromEntries }) ?? found;
}

const jobs = { tests: (wanted) => runTests(pyodide, wanted), install, run };

globalThis.onmessage = async ({ data: { job, wanted } }) => {
  try {
    postMessage({ result: await jobs[job](wanted) });
  } catch (problem) {
    postMessage({ problem: String(problem?.message ?? problem) });
  }
};
postMessage({ said: "ready" });
