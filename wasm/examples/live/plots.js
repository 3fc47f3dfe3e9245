/** Lines over time, drawn by uPlot. */
import uPlot from "uplot";

const COLORS = ["#58c4dc", "#f2a65a", "#7bd389", "#c49df2"];
const AXIS = { stroke: "#98a4b5", grid: { stroke: "#2a3240", width: 1 }, ticks: { stroke: "#2a3240" } };
const HEIGHT = 208;

/** A plot of the last so many samples. */
export class Plot {
  #plot;
  #data;
  #samples;

  /** @param {HTMLElement} place @param {string[]} names @param {number} samples */
  constructor(place, names, samples) {
    this.#samples = samples;
    this.#data = Array.from({ length: names.length + 1 }, () => []);
    const options = {
      width: place.clientWidth,
      height: HEIGHT,
      cursor: { show: false },
      legend: { live: false },
      scales: { x: { time: false } },
      axes: [{ ...AXIS, values: (_, ticks) => ticks.map((tick) => `${tick} s`) }, { ...AXIS, size: 46 }],
      series: [{}, ...names.map((label, i) => ({ label, stroke: COLORS[i], width: 1.6, points: { show: false } }))],
    };
    this.#plot = new uPlot(options, this.#data, place);
    new ResizeObserver(() => this.#plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  }

  /** @param {number} time seconds @param {number[]} values */
  add(time, values) {
    [time, ...values].forEach((value, i) => {
      this.#data[i].push(value);
      if (this.#data[i].length > this.#samples) this.#data[i].shift();
    });
  }

  draw() {
    this.#plot.setData(this.#data);
  }
}
