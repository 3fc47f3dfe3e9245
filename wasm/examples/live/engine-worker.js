/** A worker with Python: installs corestate from the wheel beside this page, and runs engine.py on the region it is handed. */
import { loadPyodide } from "/pyodide/pyodide.mjs";

const WANTED = ["click-", "msgpack-", "rich-", "pygments-", "markdown_it", "mdurl-", "corestate-"];

globalThis.onmessage = async ({ data: handle }) => {
  const say = (status) => postMessage({ status });
  try {
    say("loading Python");
    const [pyodide, names, source] = await Promise.all([
      loadPyodide({ indexURL: "/pyodide/" }),
      fetch("/wheels.json").then((response) => response.json()),
      fetch("engine.py").then((response) => response.text()),
    ]);
    const wheel = (start) => `/wheels/${names.find((name) => name.toLowerCase().startsWith(start))}`;
    await pyodide.loadPackage(["micropip-", "packaging-"].map(wheel), { messageCallback: () => {} });
    say("installing corestate");
    pyodide.globals.set("urls", pyodide.toPy(WANTED.map((start) => location.origin + wheel(start))));
    await pyodide.runPythonAsync("import micropip\nawait micropip.install(urls, deps=False)");
    pyodide.globals.set("handle", handle);
    say("running");
    await pyodide.runPythonAsync(source); // does not return: the page terminates this worker
  } catch (problem) {
    postMessage({ problem: String(problem?.message ?? problem).trim().split("\n").at(-1) });
  }
};
