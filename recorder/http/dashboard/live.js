// What comes from the recorder: documents that are asked for again and again, and the stream.
// Nothing is asked for while nobody looks at the page.

const HURRY_MS = 300;
const FAILURES = new Set();
const listeners = new Set();
let lostAt = null;

/** Call with the time since when the recorder does not answer, or null, whenever that changes. */
export function whenLost(listener) {
  listeners.add(listener);
}

function tellLost() {
  const lost = FAILURES.size > 0;
  if (lost === (lostAt !== null)) return;
  lostAt = lost ? new Date() : null;
  for (const listener of listeners) listener(lostAt);
}

/** Ask for a document; throws what kept it from coming. */
export async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(15000) });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail ?? `refused: ${answer.status}`);
  return found;
}

/**
 * Ask for a document again and again.
 *
 * `path` may be a function; `take` is called with each answer, `fail` with what went wrong.
 * `vital`: without it the page says that the recorder does not answer.
 */
export class Poll {
  constructor(path, everyMs, take, { vital = true, fail = () => {} } = {}) {
    Object.assign(this, { path, everyMs, take, vital, fail, timer: null, hurried: null, asking: false });
    document.addEventListener("visibilitychange", () => this.soon());
    this.soon();
  }

  /** Ask now, unless nobody looks or it was asked already. */
  soon() {
    clearTimeout(this.timer);
    if (!document.hidden && !this.asking) this.turn();
  }

  /** Ask in a moment: there is news, and more of it may follow at once. */
  hurry() {
    this.hurried ??= setTimeout(() => this.soon(), HURRY_MS);
  }

  async turn() {
    this.asking = true;
    clearTimeout(this.hurried);
    this.hurried = null;
    try {
      this.take(await ask(typeof this.path === "function" ? this.path() : this.path));
      FAILURES.delete(this);
    } catch (error) {
      if (this.vital) FAILURES.add(this);
      this.fail(error);
    } finally {
      this.asking = false;
    }
    tellLost();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.soon(), this.everyMs);
  }
}

/** The stream: the book and trades of one product, the gaps of all. */
export class Stream {
  constructor(depth, handlers) {
    Object.assign(this, { depth, handlers, product: null, source: null, timer: null });
    document.addEventListener("visibilitychange", () => this.open());
    window.addEventListener("pagehide", () => this.close());
  }

  /** Listen to another product. */
  follow(product) {
    if (product === this.product) return;
    this.product = product;
    this.open();
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  open() {
    this.close();
    if (document.hidden || !this.product) return;
    const wanted = new URLSearchParams({ product: this.product, events: "book,trade,gap", depth: this.depth, gaps: "all" });
    const source = new EventSource(`/v1/stream?${wanted}`);
    this.source = source;
    for (const [name, handler] of Object.entries(this.handlers)) {
      source.addEventListener(name, (event) => {
        if (this.source === source) handler(JSON.parse(event.data));
      });
    }
    // The browser tries again by itself, unless it was refused: then it is up to us.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.open(), 5000);
      }
    });
  }
}
