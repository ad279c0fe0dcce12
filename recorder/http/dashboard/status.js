// The recorder itself: whether it records as it should, at a glance and in full.

import { byId, bytes, clock, count, make, mark, put, rate, span, words } from "./show.js";

const SPACE_S_SOON = 86400;
const LOOP_S_SLOW = 0.25;
const DELAYS = ["travel", "applied", "loop"];
const TILES = {
  live: "Books live", gaps: "Gaps today", rate: "Messages a second", connections: "Connections",
  travel: "From the venue p99", applied: "Receipt to book p99", loop: "Loop lag p99",
  unsynced: "Not yet durable", free: "Disk free", seal: "Next seal in",
};
const DISK = {
  data: "Directory", free: "Free", full: "Full in", capture: "Captured since the start", rows: "Rows for the next part",
  refused: "Refused by the disk", hour: "Open hour", waiting: "Hours to seal", failing: "Failing", sealed: "Sealed last",
};

export class Status {
  constructor() {
    this.tiles = new Tiles(byId("tiles"), TILES);
    this.disk = new Tiles(byId("disk"), DISK);
    this.lines = byId("lines").tBodies[0];
    this.since = null;
    this.counts = null;
    this.measured = false;
  }

  /** The recorder does not answer since a moment; null: it does. */
  lost(at) {
    this.since = at;
    document.body.classList.toggle("cold", at !== null);
    if (at) {
      this.state("bad", `no answer since ${at.toISOString().slice(11, 19)} UTC`);
      document.title = "✕ recorder";
    }
  }

  state(kind, text) {
    mark(byId("state"), `pill ${kind}`);
    put(byId("state"), text);
  }

  /** Take what `/v1/status` says. */
  take(found) {
    this.state(found.ready ? "good" : "bad", found.ready ? "recording" : "not as it should be");
    put(byId("about"), `${found.venue} venue · version ${found.version} · up ${clock(found.uptime_s)}`);
    this.alerts(found);
    const up = found.connections.filter((each) => each.up).length;
    const { disk, lag, sealing } = found;
    this.tiles.put("connections", `${up} / ${found.connections.length}`, up === found.connections.length ? "" : "bad");
    if (!this.measured) this.sinceStart(lag);
    this.tiles.put("unsynced", span(disk.unsynced_s), disk.unsynced_s > 5 ? "bad" : "", bytes(disk.buffered_bytes));
    this.tiles.put("free", bytes(disk.free_bytes), spaceState(disk), toFull(disk));
    this.tiles.put("seal", clock(sealing.next_s), sealing.failing.length ? "bad" : "", sealed(sealing));
    this.showDisk(found);
    this.showLines(found.connections);
    if (!this.since) document.title = found.ready ? `${this.counts ?? ""} recorder`.trim() : "✕ recorder";
  }

  /** Delays since the start, of which only bounds are known: until there is something newer. */
  sinceStart(lag) {
    for (const name of DELAYS) this.tiles.put(name, atMost(lag[`${name}_p99_s`]), "", "since the start");
  }

  /** Take the newest of `/v1/history`: delays of the last seconds. */
  lately(newest, every_s) {
    if (newest.at_s === undefined) return;
    this.measured = true;
    for (const name of DELAYS) {
      const value = newest[`${name}_p99_s`] ?? null;
      const slow = name === "loop" && value >= LOOP_S_SLOW ? "warn" : "";
      this.tiles.put(name, value === null ? "nothing came" : span(value), slow, `last ${every_s} s`);
    }
  }

  /** Take what `/v1/products` says; `rated` has the rate of each. */
  products(found, rated) {
    const live = rated.filter((each) => each.book === "live").length;
    const gaps = rated.reduce((sum, each) => sum + each.gaps_today, 0);
    const total = rated.reduce((sum, each) => sum + (each.rate ?? 0), 0);
    this.counts = `${live}/${rated.length}`;
    this.tiles.put("live", `${live} / ${rated.length}`, live === rated.length ? "good" : "bad");
    this.tiles.put("gaps", count(gaps), gaps ? "warn" : "", `since ${found.gaps_since.slice(11, 16)} UTC`);
    this.tiles.put("rate", rate(total));
  }

  alerts(found) {
    const texts = [...found.reasons.map((each) => each.detail), ...found.sealing.failing.map((what) => `${words(what)} fails, and is tried again`)];
    const list = byId("alerts");
    list.hidden = texts.length === 0;
    const shown = [...list.children].map((each) => each.textContent);
    if (shown.join("\n") !== texts.join("\n")) list.replaceChildren(...texts.map((text) => make("li", {}, text)));
  }

  showDisk({ disk, sealing, data, hour }) {
    this.disk.put("data", data);
    this.disk.put("free", `${bytes(disk.free_bytes)}; reading stops at ${bytes(disk.free_bytes_min)}`, spaceState(disk));
    this.disk.put("full", disk.seconds_to_full === null ? "not in sight" : span(disk.seconds_to_full), spaceState(disk));
    this.disk.put("capture", bytes(disk.capture_bytes));
    this.disk.put("rows", count(disk.pending_rows));
    this.disk.put("refused", disk.refused.length ? disk.refused.join(", ") : "nothing", disk.refused.length ? "bad" : "");
    this.disk.put("hour", hour);
    this.disk.put("waiting", count(sealing.waiting), sealing.waiting > 1 ? "warn" : "");
    this.disk.put("failing", sealing.failing.length ? sealing.failing.map(words).join(", ") : "nothing", sealing.failing.length ? "bad" : "");
    this.disk.put("sealed", sealing.sealed.length ? sealing.sealed.slice(-3).reverse().map(hourName).join(", ") : "none since the start");
  }

  showLines(lines) {
    while (this.lines.rows.length > lines.length) this.lines.deleteRow(-1);
    lines.forEach((each, at) => {
      const row = this.lines.rows[at] ?? this.lines.appendChild(make("tr", {}, ...[0, 1, 2, 3, 4, 5].map((cell) => make(cell ? "td" : "th", cell ? { class: cell > 1 ? "amount" : null } : { scope: "row" }))));
      const texts = [each.line, each.up ? (each.retiring ? "retiring" : "open") : "closed", count(each.products), count(each.frames), each.up ? span(each.silent_s) : "–", count(each.sessions)];
      texts.forEach((text, cell) => put(row.cells[cell], text));
      mark(row.cells[1], each.up ? "good" : "bad");
    });
  }
}

/** Facts by name, in a fixed order: a title, a value, what is said of it. */
class Tiles {
  constructor(list, titles) {
    this.known = new Map();
    for (const [name, title] of Object.entries(titles)) {
      const tile = { value: make("dd", { class: "number" }, "–"), note: make("dd", { class: "note muted", hidden: true }) };
      list.append(make("div", { "data-name": name }, make("dt", {}, title), tile.value, tile.note));
      this.known.set(name, tile);
    }
  }

  put(name, value, kind = "", note = "") {
    const tile = this.known.get(name);
    put(tile.value, value);
    mark(tile.value, `number ${kind}`.trim());
    tile.note.hidden = !note;
    put(tile.note, note);
  }
}

/** Of a histogram only the bound above is known. */
function atMost(seconds) {
  return seconds === null || seconds === undefined ? "not measured" : `≤ ${span(seconds)}`;
}

function spaceState(disk) {
  if (disk.stopped || disk.refused.length || (disk.free_bytes !== null && disk.free_bytes < disk.free_bytes_min)) return "bad";
  return disk.seconds_to_full !== null && disk.seconds_to_full < SPACE_S_SOON ? "warn" : "";
}

function toFull(disk) {
  return disk.seconds_to_full === null ? "" : `full in ${span(disk.seconds_to_full)}`;
}

function sealed(sealing) {
  return sealing.waiting ? `${sealing.waiting} waiting` : "nothing waits";
}

/** 2026112119 as 11-21 19h. */
function hourName(hour) {
  return `${hour.slice(4, 6)}-${hour.slice(6, 8)} ${hour.slice(8)}h`;
}
