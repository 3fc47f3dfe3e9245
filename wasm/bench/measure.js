/** Timing what is too short for the clock, and what is not. */

/** What a round takes when the machine has nothing else to do: a tenth of the samples are quicker. @param {number[]} samples */
export function quiet(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 10)];
}

/** Nanoseconds a call takes, the best of many short rounds, since a machine has other things to do. @param {() => any} call */
export function perCall(call, calls = 50_000) {
  let best = Infinity;
  let kept;
  for (let round = 0; round < 200; round++) {
    const began = performance.now();
    for (let i = 0; i < calls; i++) kept = call();
    best = Math.min(best, ((performance.now() - began) * 1e6) / calls);
  }
  globalThis.kept = kept; // so that nothing is optimized away
  return best;
}
