// tardis-dev on Node: its OrderBook, fed with book changes made of the frames.
// Its mappers are for the Exchange feed, so a few lines here do what they do.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const { OrderBook } = await import(createRequire(process.argv[3] + "/").resolve("tardis-dev"));
const lines = readFileSync(process.argv[2], "utf8").split("\n").filter((line) => line);
const count = Number(lines[0]);
const snapshots = lines.slice(1, count + 1), updates = lines.slice(count + 1);

function take(books, raws, isSnapshot) {
  for (const raw of raws) {
    const frame = JSON.parse(raw);
    for (const event of frame.events) {
      const bids = [], asks = [];
      for (const each of event.updates)
        (each.side === "bid" ? bids : asks).push({ price: +each.price_level, amount: +each.new_quantity });
      let book = books.get(event.product_id);
      if (book === undefined) books.set(event.product_id, (book = new OrderBook()));
      book.update({ type: "book_change", isSnapshot, bids, asks });
      book.bestBid();
      book.bestAsk();
    }
  }
}

for await (const _ of createInterface({ input: process.stdin })) {
  const books = new Map();
  take(books, snapshots, true);
  const before = process.cpuUsage();
  take(books, updates, false);
  const used = process.cpuUsage(before);
  const tops = Object.fromEntries(
    [...books].map(([name, book]) => [name, [book.bestBid().price, book.bestAsk().price]])
  );
  console.log(JSON.stringify({ seconds: (used.user + used.system) / 1e6, tops }));
}
