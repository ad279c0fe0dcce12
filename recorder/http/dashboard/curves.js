// Curves of the last half hour: delays, how late the loop turns, rates.

import { Chart } from "./chart.js";
import { byId, colour, make, put, rate, span } from "./show.js";

const KEPT = 360;
const SPAN_S_MIN = 120;
const DELAY = { show: span, log: true };
const CURVES = [
  { title: "Venue to receipt", note: "level2, by both clocks", lines: [["travel_p50_s", "p50"], ["travel_p99_s", "p99"]], ...DELAY },
  { title: "Receipt to book", note: "kept, understood, applied", lines: [["applied_p50_s", "p50"], ["applied_p99_s", "p99"]], ...DELAY },
  { title: "Loop lag", note: "how late the loop turns", lines: [["loop_p50_s", "p50"], ["loop_p99_s", "p99"]], ...DELAY },
  { title: "Rates", note: "a second", lines: [["frames_s", "frames"], ["changes_s", "changes"]], show: rate, log: false },
];
const INKS = ["line1", "line2"];

export class Curves {
  constructor() {
    this.columns = { at_s: [] };
    this.charts = CURVES.map((each) => this.make(each));
  }

  make(curve) {
    const readings = curve.lines.map(([, name], at) => {
      const value = make("b", {}, "–");
      return { value, element: make("span", { class: "reading" }, make("i", { class: INKS[at] }), `${name} `, value) };
    });
    const place = make("div", { class: "chart", role: "img", "aria-label": curve.title });
    byId("curves").append(make("div", {},
      make("h3", {}, curve.title, " ", make("small", { class: "muted" }, curve.note)),
      make("p", { class: "readings number" }, ...readings.map((each) => each.element)), place));
    const made = { curve, place, readings };
    made.chart = new Chart(place, () => ({
      height: 150,
      padding: [8, 26, 0, 0],
      tzDate: (at_s) => window.uPlot.tzDate(new Date(at_s * 1000), "Etc/UTC"),
      scales: { x: { range: (_, low, high) => [Math.min(low, high - SPAN_S_MIN), high] }, y: curve.log ? { distr: 3, range: decades } : { range: (_, low, high) => [0, (high || 1) * 1.1] } },
      axes: [
        { values: times, space: 80, size: 28 },
        { values: (chart, splits) => splits.map((value) => (value === null ? "" : curve.show(value))), size: 54, ...(curve.log ? { splits: powers } : {}) },
      ],
      series: [{}, ...curve.lines.map((_, at) => ({ stroke: colour(INKS[at]), width: 1.5, points: { show: false }, spanGaps: false }))],
      hooks: { setCursor: [(chart) => this.read(made, chart.cursor.idx)] },
    }));
    return made;
  }

  /** When the newest sample is from: what to ask for next. */
  get last_s() {
    return this.columns.at_s.at(-1) ?? 0;
  }

  /** The newest value of each column; nothing where nothing was measured. */
  newest() {
    return Object.fromEntries(Object.entries(this.columns).map(([name, values]) => [name, values.at(-1)]));
  }

  /** Take what `/v1/history` says. */
  take(found) {
    if (found.samples) {
      for (const name of Object.keys(found.columns)) {
        this.columns[name] = [...(this.columns[name] ?? []), ...found.columns[name]].slice(-KEPT);
      }
    }
    put(byId("curves-note"), `every ${found.every_s} s; times are UTC`);
    for (const each of this.charts) this.show(each);
  }

  show(made) {
    const { curve } = made;
    const lines = curve.lines.map(([name]) => this.columns[name] ?? []);
    if (this.columns.at_s.length < 2) made.chart.clear("measuring …");
    else if (lines.every((line) => line.every((value) => value === null || value === undefined))) made.chart.clear("nothing came that could be measured");
    else made.chart.show([this.columns.at_s, ...lines.map((line) => (curve.log ? line.map((value) => value || null) : line))]);
    this.read(made, null);
  }

  /** Show the values at a sample; at the newest where the pointer is elsewhere. */
  read(made, at) {
    const said = made.curve.lines.map(([name, label], line) => {
      const values = this.columns[name] ?? [];
      const text = made.curve.show(values[at ?? values.length - 1]);
      put(made.readings[line].value, text);
      return `${label} ${text}`;
    });
    made.place.setAttribute("aria-label", `${made.curve.title}, ${made.curve.note}: ${said.join(", ")}`);
  }
}

/** Times of day, with seconds where the curve is short. */
function times(chart, splits) {
  const short = chart.scales.x.max - chart.scales.x.min < 900;
  return splits.map((at_s) => new Date(at_s * 1000).toISOString().slice(11, short ? 19 : 16));
}

/** The powers of ten of an axis. */
function powers(chart, axis, low, high) {
  const found = [];
  for (let power = Math.round(Math.log10(low)); power <= Math.round(Math.log10(high)); power += 1) found.push(10 ** power);
  return found;
}

/** Whole decades around the values, at least one. */
function decades(_, low, high) {
  if (!(low > 0)) return [1e-4, 1e-1];
  return [10 ** Math.floor(Math.log10(low)), 10 ** Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1)];
}
