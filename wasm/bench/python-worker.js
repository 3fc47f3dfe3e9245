/** Reads and writes from Python in Pyodide. */
import { loadPyodide } from "/modules/pyodide/pyodide.mjs";

const WANTED = ["click-", "msgpack-", "rich-", "pygments-", "markdown_it", "mdurl-", "corestate-"];
const SOURCE = `
import timeit
import corestate
state = corestate.attach(handle)
engine, counter, area = state.engine, state.counters["spikes"], state.areas["v1"]
def best(call, number=20000):
    return min(timeit.repeat(call, number=number, repeat=5)) / number * 1e6
{
    "engine.neuron_count": best(lambda: engine.neuron_count),
    "counter.value": best(lambda: counter.value),
    "counter.add()": best(lambda: counter.add()),
    "events.publish()": best(lambda: state.events.publish("mark"), 5000),
    "an empty call": best(lambda: None),
}
`;

globalThis.onmessage = async ({ data: { handle, wheels } }) => {
  const pyodide = await loadPyodide({ indexURL: "/modules/pyodide/" });
  const find = (start) => `${location.origin}/wheels/${wheels.find((name) => name.toLowerCase().startsWith(start))}`;
  await pyodide.loadPackage(["micropip-", "packaging-"].map(find), { messageCallback: () => {} });
  pyodide.globals.set("urls", pyodide.toPy(WANTED.map(find)));
  await pyodide.runPythonAsync("import micropip\nawait micropip.install(urls, deps=False)");
  pyodide.globals.set("handle", handle);
  postMessage((await pyodide.runPythonAsync(SOURCE)).toJs({ dict_converter: Object.fromEntries }));
};
