/** The two pictures that are not plots: where the pointer is, and which neurons fired. */

/** A canvas in the pixels of the screen. @param {HTMLCanvasElement} canvas */
function sharp(canvas) {
  const scale = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return { context: canvas.getContext("2d"), width, height, scale };
}

/** The sensory pad: a trail behind the pointer. */
export class Pad {
  #canvas;
  #trail = [];

  /** @param {HTMLCanvasElement} canvas @param {(x: number, y: number) => void} moved both 0 to 1 */
  constructor(canvas, moved) {
    this.#canvas = canvas;
    let at = [0.5, 0.5];
    const go = (x, y) => {
      at = [x, y].map((value) => Math.min(1, Math.max(0, value)));
      moved(...at);
    };
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      go((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    });
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    canvas.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      go(at[0] + step[0] * 0.08, at[1] + step[1] * 0.08);
    });
  }

  /** @param {number} x @param {number} y @param {number} level 0 to 1 */
  draw(x, y, level) {
    const { context, width, height, scale } = sharp(this.#canvas);
    this.#trail.push([x, y]);
    if (this.#trail.length > 40) this.#trail.shift();
    context.clearRect(0, 0, width, height);
    this.#trail.forEach(([left, top], i) => {
      context.fillStyle = `rgba(88, 196, 220, ${(i / this.#trail.length) * 0.5})`;
      context.beginPath();
      context.arc(left * width, top * height, (3 + (i / 40) * 9) * scale, 0, 7);
      context.fill();
    });
    context.strokeStyle = "#f2a65a";
    context.lineWidth = 2 * scale;
    context.beginPath();
    context.arc(x * width, y * height, (8 + 30 * level) * scale, 0, 7);
    context.stroke();
  }
}

/** One column for each burst, newest at the right. */
export class Raster {
  #canvas;
  #columns = [];

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** @param {Uint8Array} fired a bit for each neuron */
  add(fired) {
    this.#columns.push(fired);
    if (this.#columns.length > 160) this.#columns.shift();
  }

  draw() {
    const { context, width, height } = sharp(this.#canvas);
    context.clearRect(0, 0, width, height);
    const step = width / 160;
    this.#columns.forEach((fired, i) => {
      const left = width - (this.#columns.length - i) * step;
      const row = height / (fired.length * 8);
      for (let neuron = 0; neuron < fired.length * 8; neuron++) {
        if (!(fired[neuron >> 3] & (1 << (neuron & 7)))) continue;
        context.fillStyle = ["#58c4dc", "#f2a65a", "#7bd389"][Math.floor((neuron * 3) / (fired.length * 8))];
        context.fillRect(left, neuron * row, Math.max(1, step - 0.5), Math.max(1.2, row));
      }
    });
  }
}
