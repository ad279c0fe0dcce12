// Gaps as they are told by the stream, the newest first.

import { byId, make, span, timeOfDay, words } from "./show.js";

const KEPT = 30;

export class Gaps {
  constructor() {
    this.list = byId("gaps");
    this.none = this.list.appendChild(make("li", { class: "muted" }, "none since this page is open"));
  }

  take(gap) {
    const where = [gap.product_id ?? "", words(gap.channel ?? "")].filter(Boolean).join(" ");
    const [kind, text] = {
      found: () => ["bad", `${missing(gap)} missing on ${gap.connection_id ?? "a connection"}`],
      begun: () => ["bad", `${where}: stale, ${words(gap.reason ?? gap.cause)}`],
      ended: () => ["good", `${where}: ${words(gap.reason)}, ${lasted(gap)}`],
    }[gap.state]?.() ?? ["", words(gap.state)];
    this.add(kind, gap.state, text, gap.end_time ?? gap.start_time ?? gap.recv_time);
  }

  dropped(missed) {
    this.add("warn", "dropped", `this page was too slow for ${missed.trades} trades and ${missed.gaps} gaps`);
  }

  add(kind, state, text, at) {
    this.none?.remove();
    this.none = null;
    const time = timeOfDay(at ?? new Date().toISOString());
    this.list.prepend(make("li", {}, make("time", { class: "muted number" }, time), " ", make("b", { class: kind }, state), ` ${text}`));
    while (this.list.children.length > KEPT) this.list.lastChild.remove();
  }
}

function missing(gap) {
  const frames = gap.seq_to - gap.seq_from + 1;
  return frames > 0 ? `${frames} frame${frames === 1 ? "" : "s"}` : "frames";
}

function lasted(gap) {
  const seconds = (Date.parse(gap.end_time) - Date.parse(gap.start_time)) / 1000;
  return seconds >= 0 ? `lasted ${span(seconds)}` : "over";
}
