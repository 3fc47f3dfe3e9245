/**
 * A sensory agent: reads where the pointer is and how the page's frames come from gauges the page sets, and publishes what it
 * senses. Asleep between two looks.
 */
import { AgentStatus, AgentType, attach } from "/corestate/index.js";

const PERIOD_MS = 50;
const STILL = 0.85;

globalThis.onmessage = async ({ data: handle }) => {
  const state = await attach(handle);
  state.agents.reap();
  const me = state.agents.register("sensor", AgentType.SENSORY, { capabilities: { senses: ["pointer", "frames"] } });
  state.agents.setStatus(me, AgentStatus.RUNNING);
  const gauge = (name) => state.gauges.get(name);
  const [x, y, frame] = [gauge("pointer.x"), gauge("pointer.y"), gauge("frame.ms")];
  const moved = state.counters.get("pointer.moves");
  const sent = state.counters.get("senses");
  let last = [x.value, y.value];
  let speed = 0;
  for (;;) {
    try {
      moved.waitSync(moved.value, { timeout: PERIOD_MS });
    } catch (problem) {
      if (problem.code !== "CS_E_TIMEOUT") throw problem;
    }
    const now = [x.value, y.value];
    const distance = Math.hypot(now[0] - last[0], now[1] - last[1]);
    last = now;
    speed = Math.max(Math.min(1, distance * 8), speed * STILL);
    const late = Math.min(1, Math.max(0, (frame.value - 16) / 50));
    state.events.publish("sense", { pointer: Math.round(speed * 100) / 100, frames: Math.round(late * 100) / 100 });
    sent.add();
    state.agents.heartbeat(me);
  }
};
