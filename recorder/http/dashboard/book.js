// One product: its ladder, its depth, its latest trades.

import { Chart } from "./chart.js";
import { byId, colour, make, mark, plain, points, put, span, timeOfDay, words } from "./show.js";

export const DEPTH = 100;
const SHOWN = 10; // levels a side of the ladder
const TRADES = 8;
const REACH = 0.01; // of the price, on each side of the depth
const NEAR = 5; // levels that are shown however far they are

export class Product {
  constructor() {
    this.name = null;
    this.rungs = { asks: [], bids: [] };
    this.makeLadder();
    this.trades = byId("trades").tBodies[0];
    this.pending = null;
    this.chart = new Chart(byId("depth"), () => ({
      height: 200,
      padding: [8, 26, 0, 0],
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, high || 1] } },
      axes: [
        { values: (chart, splits) => splits.map(price), space: 90, size: 28 },
        { values: (chart, splits) => splits.map(short), size: 46 },
      ],
      series: [{}, ...[["bid", -1], ["ask", 1]].map(([side, align]) => ({
        stroke: colour(side), width: 1.5, fill: colour(`${side}-faint`),
        paths: window.uPlot.paths.stepped({ align }), points: { show: false },
      }))],
    }));
  }

  makeLadder() {
    const body = byId("ladder").tBodies[0];
    const rung = (side) => {
      const cells = [0, 1, 2].map(() => make("td", {}));
      const row = make("tr", { class: side }, ...cells);
      return { row, cells };
    };
    this.rungs.asks = Array.from({ length: SHOWN }, () => rung("ask"));
    this.rungs.bids = Array.from({ length: SHOWN }, () => rung("bid"));
    this.middle = make("td", { colspan: 3 });
    body.append(
      ...this.rungs.asks.map((each) => each.row).reverse(),
      make("tr", { class: "middle" }, this.middle),
      ...this.rungs.bids.map((each) => each.row),
    );
  }

  /** Begin to show another product. */
  choose(name) {
    this.name = name;
    put(byId("product-title"), name);
    this.trades.replaceChildren();
    this.fresh = null;
  }

  /** Take a book as `/v1/books` has it. */
  book(book) {
    if (book.product_id !== this.name) return;
    this.showState(book);
    this.showSide(this.rungs.asks, book.asks);
    this.showSide(this.rungs.bids, book.bids);
    put(this.middle, middle(book));
    this.fresh = { heard: book.as_of, at: performance.now(), age_s: book.age_s };
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.showDepth(book);
    });
  }

  showState(book) {
    const state = byId("product-state");
    put(state, book.state === "live" ? "live" : book.state.toUpperCase());
    mark(state, `badge ${book.state}`);
    byId("product").classList.toggle("invalid", !book.valid);
    const wrong = byId("product-wrong");
    wrong.hidden = book.valid;
    put(wrong, book.valid ? "" : book.state === "empty"
      ? `There is no book yet: ${words(book.reason)}.`
      : `This book is ${book.state.toUpperCase()} and not to be trusted: ${words(book.reason)}. What is shown is the last that was known.`);
  }

  showSide(rungs, levels) {
    let total = 0;
    const totals = levels.slice(0, SHOWN).map(([, size]) => (total += Number(size)));
    rungs.forEach(({ row, cells }, at) => {
      const level = levels[at];
      put(cells[0], level?.[0] ?? "");
      put(cells[1], level?.[1] ?? "");
      put(cells[2], level ? short(totals[at]) : "");
      row.style.setProperty("--part", level && total ? `${((totals[at] / total) * 100).toFixed(1)}%` : "0%");
    });
  }

  showDepth(book) {
    const [bids, asks] = [summed(book.bids), summed(book.asks)];
    if (!bids.length || !asks.length) {
      this.chart.clear(book.valid ? "one side is empty" : "no book");
      return;
    }
    // As far as both sides are known, so that they can be compared.
    const mid = (bids[0][0] + asks[0][0]) / 2;
    const known = Math.min(mid - bids.at(-1)[0], asks.at(-1)[0] - mid);
    // Not as far as orders that nobody will ever meet, but some levels in any case.
    const near = (side) => Math.abs((side[Math.min(NEAR, side.length) - 1]?.[0] ?? mid) - mid);
    const reach = Math.min(known, Math.max(mid * REACH, near(bids), near(asks)));
    const [low, high] = [mid - reach, mid + reach];
    const some = [...bids.filter(([at]) => at >= low).reverse(), ...asks.filter(([at]) => at <= high)];
    const bidCount = bids.filter(([at]) => at >= low).length;
    this.chart.show([
      some.map(([at]) => at),
      some.map(([, total], at) => (at < bidCount ? total : null)),
      some.map(([, total], at) => (at < bidCount ? null : total)),
    ]);
    const reached = [bidCount, some.length - bidCount].map((levels, side) => (side ? asks : bids)[levels - 1]?.[1] ?? 0);
    put(byId("depth-note"), `within ${((reach / mid) * 1e4).toFixed(1)} bp: ${short(reached[0])} bid, ${short(reached[1])} ask`);
    byId("depth").setAttribute("aria-label", `Depth of ${book.product_id}: ${byId("depth-note").textContent}`);
  }

  trade(trade) {
    if (trade.product_id !== this.name) return;
    const side = trade.taker_side === "BUY" ? "bid" : "ask";
    this.trades.prepend(make("tr", {},
      make("td", {}, timeOfDay(trade.trade_time)),
      make("td", { class: side }, trade.taker_side?.toLowerCase() ?? "–"),
      make("td", { class: "amount" }, trade.price),
      make("td", { class: "amount" }, trade.size)));
    while (this.trades.rows.length > TRADES) this.trades.deleteRow(-1);
  }

  /** Say how old it is; called now and then. */
  tick() {
    const age = byId("product-age");
    if (!this.fresh?.heard) put(age, "");
    else put(age, `heard ${span(this.fresh.age_s + (performance.now() - this.fresh.at) / 1000)} ago`);
  }
}

/** (price, size up to it), best first. */
function summed(levels) {
  let total = 0;
  return levels.map(([at, size]) => [Number(at), (total += Number(size))]);
}

function middle(book) {
  if (!book.bids.length || !book.asks.length) return book.bids.length || book.asks.length ? "one side is empty" : "empty";
  const [bid, ask] = [Number(book.bids[0][0]), Number(book.asks[0][0])];
  return `spread ${plain(ask - bid)} · ${points(((ask - bid) / ((ask + bid) / 2)) * 1e4)} bp`;
}

/** A price on an axis. */
function price(value) {
  return value.toLocaleString("en-US", { maximumSignificantDigits: 7 });
}

/** An amount in a few digits: 1.234, 56.7, 8.9k. */
export function short(value) {
  for (const [unit, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
    if (value >= unit) return `${Number((value / (letter === "k" ? 1e3 : unit)).toPrecision(3))}${letter}`;
  }
  if (value >= 1000) return value.toFixed(0);
  return value >= 1e-4 || value === 0 ? String(Number(value.toPrecision(4))) : value.toFixed(8);
}
