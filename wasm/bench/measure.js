/** Timing what is too short for the clock, and what is not. */

/** @param {number[]} samples */
export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Nanoseconds a call takes: the median of many rounds, each too short for the scheduler to come between most of them. @param {() => any} call */
export function perCall(call, calls = 20_000) {
  const taken = [];
  let kept;
  for (let round = 0; round < 200; round++) {
    const began = performance.now();
    for (let i = 0; i < calls; i++) kept = call();
    taken.push(((performance.now() - began) * 1e6) / calls);
  }
  if (kept === perCall) throw new Error("never"); // so that nothing is optimized away
  return median(taken);
}
