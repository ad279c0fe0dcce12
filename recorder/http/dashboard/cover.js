// The map of coverage: a row for each product, a cell for each hour.
// Cells differ by their text, too, so that nothing depends on colour.

import { byId, count, make, percent, put, words } from "./show.js";

const ROWS = 40;
const SIGNS = { recorded: "", unverified: "~", missing: "·", ahead: "" };

export class Cover {
  constructor() {
    this.found = null;
    this.all = false;
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
    const whole = products.filter((each) => each.part === 1 && !each.gaps.some((gaps) => gaps)).length;
    put(byId("cover-note"), products.length ? `${count(whole)} of ${count(products.length)} without a loss; the worst first` : "nothing recorded yet");
    const table = byId("cover");
    table.tHead.replaceChildren(make("tr", {}, make("th", { scope: "col", class: "name" }, "Product"),
      ...hours.map((hour) => make("th", { scope: "col" }, hour.slice(11, 13))),
      make("th", { scope: "col", class: "amount" }, "Recorded")));
    const shown = this.all ? products : products.slice(0, ROWS);
    table.tBodies[0].replaceChildren(...shown.map((each) => this.row(each, hours)));
    const button = byId("cover-all");
    button.hidden = products.length <= ROWS;
    put(button, this.all ? `Only the worst ${ROWS}` : `All ${count(products.length)} products`);
  }

  row(product, hours) {
    const name = product.product_id ?? words(product.channel);
    const cells = hours.map((hour, at) => {
      const state = product.states[at];
      const [part, gaps] = [product.parts[at], product.gaps[at]];
      const lost = state === "gap";
      const kind = lost ? `lost ${part < 0.5 ? "most" : part < 0.95 ? "some" : ""}` : state;
      const text = lost ? String(Math.min(99, Math.floor((part ?? 0) * 100))) : SIGNS[state];
      const title = `${name} ${hour.slice(11, 16)} UTC: ${lost ? `${percent(part)} recorded, ${count(gaps)} gap${gaps === 1 ? "" : "s"}` : words(state)}`;
      return make("td", { class: kind.trim(), title }, text || make("span", { class: "hidden" }, state));
    });
    return make("tr", {}, make("th", { scope: "row", class: "name" }, name), ...cells,
      make("td", { class: "amount" }, percent(product.part)));
  }
}
