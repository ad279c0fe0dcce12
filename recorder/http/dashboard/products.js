// The table of products: sorted, filtered, and gone through by keyboard.

import { byId, count, make, mark, points, put, rate, span, timeOfDay } from "./show.js";

const STATES = { stale: 0, empty: 1, live: 2 };

// name, title, class, the value to sort by, what is shown.
const COLUMNS = [
  ["product", "Product", "name", (each) => each.product_id, null],
  ["book", "Book", "state", (each) => STATES[each.book] ?? 0, null],
  ["bid", "Bid", "amount wide", (each) => Number(each.bid?.[0] ?? -1), (each) => each.bid?.[0] ?? "–"],
  ["ask", "Ask", "amount wide", (each) => Number(each.ask?.[0] ?? -1), (each) => each.ask?.[0] ?? "–"],
  ["spread", "Spread bp", "amount", (each) => each.spread_bps ?? -1, (each) => points(each.spread_bps)],
  ["rate", "Msg/s", "amount", (each) => each.rate ?? -1, (each) => rate(each.rate)],
  ["age", "Updated", "amount wide", (each) => each.age_s ?? Infinity, (each) => (each.age_s === null ? "never" : `${span(each.age_s)} ago`)],
  ["trade", "Last trade", "amount wider", (each) => each.last_trade?.recv_time ?? "", (each) => each.last_trade?.price ?? "–"],
  ["gaps", "Gaps", "amount", (each) => each.gaps_today, (each) => count(each.gaps_today)],
];

export class Products {
  /** `choose` is called with the product that was chosen. */
  constructor(choose) {
    this.choose = choose;
    this.sortBy = "product";
    this.down = false;
    this.known = new Map(); // product → its row and cells
    this.products = [];
    this.chosen = null;
    this.table = byId("products-table");
    this.body = this.table.tBodies[0];
    this.filter = byId("filter");
    this.which = byId("which");
    this.filter.addEventListener("input", () => this.arrange());
    this.which.addEventListener("change", () => this.arrange());
    this.filter.addEventListener("keydown", (event) => this.fromFilter(event));
    this.body.addEventListener("keydown", (event) => this.keys(event));
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.makeHead();
  }

  makeHead() {
    for (const [name, title, kind] of COLUMNS) {
      const button = make("button", { type: "button" }, title);
      button.addEventListener("click", () => this.sort(name));
      this.table.tHead.rows[0].append(make("th", { scope: "col", class: kind, "data-column": name }, button));
    }
    this.showOrder();
  }

  sort(name) {
    this.down = this.sortBy === name ? !this.down : !["product", "book", "age"].includes(name);
    this.sortBy = name;
    this.showOrder();
    this.arrange();
  }

  showOrder() {
    for (const head of this.table.tHead.rows[0].cells) {
      const mine = head.dataset.column === this.sortBy;
      if (mine) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  /** Take what `/v1/products` says. */
  take(products) {
    this.products = products.map((each) => ({ ...each, rate: rateOf(each) }));
    const names = new Set();
    for (const each of this.products) {
      names.add(each.product_id);
      this.show(each);
    }
    for (const [name, row] of this.known) {
      if (names.has(name)) continue;
      row.row.remove();
      this.known.delete(name);
    }
    this.arrange();
  }

  show(each) {
    const known = this.known.get(each.product_id) ?? this.addRow(each.product_id);
    put(known.state, each.book === "live" ? "live" : each.book.toUpperCase());
    mark(known.state, `badge ${each.book}`);
    known.state.title = each.reason ? `not to be trusted: ${each.reason}` : "complete, in order";
    COLUMNS.forEach(([, , , , shown], at) => {
      if (shown) put(known.row.cells[at], shown(each));
    });
    known.row.classList.toggle("gappy", each.gaps_today > 0);
    known.row.cells[6].title = each.last_update ? `${timeOfDay(each.last_update)} UTC` : "";
  }

  addRow(name) {
    const button = make("button", { type: "button", tabindex: "-1" }, name);
    const state = make("span", { class: "badge" });
    const row = make("tr", { "data-product": name }, make("th", { scope: "row", class: "name" }, button), make("td", {}, state));
    for (const [, , kind, , shown] of COLUMNS) if (shown) row.append(make("td", { class: kind }));
    const made = { row, button, state };
    this.known.set(name, made);
    return made;
  }

  /** Put the rows that are wanted into their order. */
  arrange() {
    const text = this.filter.value.trim().toUpperCase();
    const which = this.which.value;
    const value = COLUMNS.find(([name]) => name === this.sortBy)[3];
    const wanted = this.products.filter(
      (each) =>
        each.product_id.includes(text) &&
        (which === "all" || (which === "gaps" ? each.gaps_today > 0 : each.book !== "live")),
    );
    const turn = this.down ? -1 : 1;
    wanted.sort((a, b) => {
      const [one, other] = [value(a), value(b)];
      if (one !== other) return one < other ? -turn : turn;
      return a.product_id < b.product_id ? -1 : 1;
    });
    const focused = document.activeElement;
    wanted.forEach((each, at) => {
      const { row } = this.known.get(each.product_id);
      if (this.body.rows[at] !== row) this.body.insertBefore(row, this.body.rows[at] ?? null);
    });
    while (this.body.rows.length > wanted.length) this.body.rows[wanted.length].remove();
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus();
    put(byId("products-count"), wanted.length === this.products.length
      ? `${count(wanted.length)}` : `${count(wanted.length)} of ${count(this.products.length)}`);
    if (!this.chosen && wanted.length) this.select(wanted[0].product_id);
    else this.markChosen();
  }

  select(name) {
    this.chosen = name;
    this.markChosen();
    this.choose(name);
  }

  /** One row is reached by Tab, the others from it by the arrows. */
  markChosen() {
    const reached = this.known.get(this.chosen)?.row.isConnected ? this.chosen : this.body.rows[0]?.dataset.product;
    for (const [name, { row, button }] of this.known) {
      button.tabIndex = name === reached ? 0 : -1;
      row.classList.toggle("chosen", name === this.chosen);
      if (name === this.chosen) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  clicked(event) {
    const name = event.target.closest("tr")?.dataset.product;
    if (name) this.select(name);
  }

  /** From the filter down into the table. */
  fromFilter(event) {
    if (event.key === "Escape") {
      this.filter.value = "";
      this.arrange();
    } else if (["ArrowDown", "Enter"].includes(event.key) && this.body.rows.length) {
      event.preventDefault();
      this.go(this.body.rows[0]);
    }
  }

  keys(event) {
    const row = event.target.closest("tr");
    const rows = this.body.rows;
    const at = row.sectionRowIndex;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0 && at === 0) this.filter.focus();
    else this.go(rows[Math.min(Math.max(to, 0), rows.length - 1)]);
  }

  go(row) {
    this.select(row.dataset.product);
    row.querySelector("button").focus();
    row.scrollIntoView({ block: "nearest" });
  }
}

/** Messages a second of all channels of a product. */
function rateOf(product) {
  const rates = Object.values(product.channels).map((each) => each.rate).filter((each) => each !== null);
  return rates.length ? rates.reduce((sum, each) => sum + each, 0) : null;
}
