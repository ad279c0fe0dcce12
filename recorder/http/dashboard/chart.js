// A chart of uPlot that fills its place, follows the theme, and says what it lacks.

import { colour, make } from "./show.js";

export class Chart {
  /** `options` makes those of uPlot, anew for each theme. */
  constructor(place, options) {
    Object.assign(this, { place, options, data: null, plot: null, word: null });
    new ResizeObserver(() => this.resize()).observe(place);
    document.addEventListener("theme", () => this.redo());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redo());
  }

  show(data) {
    this.data = data;
    this.word?.remove();
    this.word = null;
    if (this.plot) this.plot.setData(data);
    else this.make();
  }

  /** Show a word in the place of curves. */
  clear(text) {
    this.plot?.destroy();
    this.plot = this.data = null;
    if (!this.word) this.place.append((this.word = make("p", { class: "word muted" })));
    if (this.word.textContent !== text) this.word.textContent = text;
  }

  make() {
    const width = Math.floor(this.place.clientWidth);
    if (!width || !window.uPlot) return;
    const options = this.options();
    const [ink, line] = [colour("muted"), colour("line")];
    const axis = { stroke: ink, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
    options.axes = options.axes.map((each) => ({ ...axis, ...each }));
    this.plot = new window.uPlot({ width, legend: { show: false }, padding: [8, 8, 0, 0], cursor: { y: false, drag: { x: false, y: false } }, ...options }, this.data, this.place);
  }

  redo() {
    if (!this.plot) return;
    this.plot.destroy();
    this.plot = null;
    this.make();
  }

  resize() {
    const width = Math.floor(this.place.clientWidth);
    if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
    else if (!this.plot && this.data) this.make();
  }
}
