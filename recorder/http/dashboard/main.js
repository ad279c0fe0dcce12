// The dashboard: what is asked for, and where it goes.

import { DEPTH, Product } from "./book.js";
import { Cover } from "./cover.js";
import { Curves } from "./curves.js";
import { Gaps } from "./gaps.js";
import { Poll, Stream, whenLost } from "./live.js";
import { Products } from "./products.js";
import { byId, put } from "./show.js";
import { Status } from "./status.js";

const HOURS_MS = 120000; // reading them costs a process of the recorder's machine
const SOON_MS = 10000;
const WRITTEN_MS = 30000; // until a gap is in the files, as a rule
let mapAgain = null;
const product = new Product();
const gaps = new Gaps();
const curves = new Curves();
const cover = new Cover();
const status = new Status();
const stream = new Stream(DEPTH, {
  book: (book) => product.book(book),
  trade: (trade) => product.trade(trade),
  gap: (gap) => {
    gaps.take(gap);
    products.hurry();
    mapAgain ??= setTimeout(() => {
      mapAgain = null;
      hours.soon();
    }, WRITTEN_MS);
  },
  dropped: (missed) => gaps.dropped(missed),
});
const table = new Products((name) => {
  product.choose(name);
  stream.follow(name);
});
const products = new Poll("/v1/products", 2000, (found) => {
  table.take(found.products);
  status.products(found, table.products);
});
new Poll("/v1/status", 2000, (found) => status.take(found));
new Poll(() => `/v1/history?after=${curves.last_s}`, 5000, (found) => {
  curves.take(found);
  status.lately(curves.newest(), found.every_s);
}, { vital: false });
const hours = new Poll("/v1/coverage/hours", HOURS_MS, (found) => {
  cover.take(found);
  hours.everyMs = found.products.length ? HOURS_MS : SOON_MS;
}, { vital: false, fail: (error) => {
  cover.fail(error);
  hours.everyMs = SOON_MS;
} });
whenLost((at) => status.lost(at));
setInterval(() => {
  product.tick();
  put(byId("now"), `${new Date().toISOString().slice(11, 19)} UTC`);
}, 500);

// --- the theme, and keys -------------------------------------------------------------------------

const theme = byId("theme");
const nameTheme = () => put(theme, `Theme: ${window.recorderTheme.read()}`);
theme.addEventListener("click", () => window.recorderTheme.next());
document.addEventListener("theme", nameTheme);
nameTheme();
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "/") {
    event.preventDefault();
    byId("filter").focus();
  } else if (event.key === "t") {
    window.recorderTheme.next();
  }
});
