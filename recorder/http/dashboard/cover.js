// The map of coverage: a row for each product, a cell for each hour.
// Cells differ by their text, too, so that nothing depends on colour.

import { byId, count, make, percent, put, span, words } from "./show.js";

const ROWS = 40;
const SIGNS = { recorded: "", unverified: "~", missing: "·", ahead: "" };

export class Cover {
  constructor() {
    this.found = null;
    this.all = false;
    this.drawn = false;
    byId("cover-all").addEventListener("click", () => {
      this.all = !this.all;
      this.draw();
    });
  }

  /** Take what `/v1/coverage/hours` says; those of which most is missing stand first. */
  take(found) {
    this.found = found;
    this.draw();
  }

  fail(error) {
    put(byId("cover-note"), `cannot be read now: ${error.message}`);
  }

  draw() {
    const { hours, products } = this.found;
    const whole = products.filter((each) => each.gaps.every((gaps) => gaps === 0)).length;
    put(byId("cover-note"), products.length ? `${count(whole)} of ${count(products.length)} without a gap; the worst first` : "nothing written yet");
    const table = byId("cover");
    table.tHead.replaceChildren(make("tr", {}, make("th", { scope: "col", class: "name" }, "Product"),
      ...hours.map((hour) => make("th", { scope: "col" }, hour.slice(11, 13))),
      make("th", { scope: "col", class: "amount" }, "Lost")));
    const shown = this.all ? products : products.slice(0, ROWS);
    table.tBodies[0].replaceChildren(...shown.map((each) => this.row(each, hours)));
    const scroll = byId("cover-scroll");
    if (!this.drawn) scroll.scrollLeft = scroll.scrollWidth; // the present is on the right
    this.drawn ||= products.length > 0;
    const button = byId("cover-all");
    button.hidden = products.length <= ROWS;
    put(button, this.all ? `Only the worst ${ROWS}` : `All ${count(products.length)} products`);
  }

  row(product, hours) {
    const name = product.product_id ?? words(product.channel);
    const cells = hours.map((hour, at) => {
      const state = product.states[at];
      const [had, lost, missing, gaps] = [product.recorded_s[at], product.lost_s[at], product.missing_s[at], product.gaps[at]];
      const kept = had + lost ? had / (had + lost) : 0;
      const part = had + lost + missing ? had / (had + lost + missing) : 0;
      const [kind, shown] =
        gaps || lost ? [`lost ${kept < 0.5 ? "most" : kept < 0.95 ? "some" : ""}`.trim(), kept]
        : state === "partly" ? [state, part] : [state, null];
      const text = shown === null ? SIGNS[state] : String(Math.min(99, Math.floor(shown * 100)));
      const said = { recorded: "all recorded", unverified: "recorded, unverified", missing: "not recorded", ahead: "not told yet" }[kind]
        ?? `${percent(part)} recorded, ${gaps || lost ? `${count(gaps)} gap${gaps === 1 ? "" : "s"}, ${span(lost)} lost` : "nothing lost, but not all of the hour"}`;
      return make("td", { class: kind, title: `${name}, ${hour.slice(11, 16)} UTC: ${said}` }, text || make("span", { class: "hidden" }, words(state)));
    });
    return make("tr", {}, make("th", { scope: "row", class: "name" }, name), ...cells,
      make("td", { class: "amount" }, span(product.lost_s.reduce((sum, each) => sum + each, 0))));
  }
}
