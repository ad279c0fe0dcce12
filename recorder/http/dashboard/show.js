// How things are shown: elements, numbers, spans of time. Text is only ever set as text.

export const byId = (id) => document.getElementById(id);

/** Make an element: attributes by name, children as elements or text. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children);
  return made;
}

/** Set a text, but only where it is another: what is unchanged is not drawn again. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set a class, likewise. */
export function mark(element, name) {
  if (element.className !== name) element.className = name;
}

export function count(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en-US");
}

/** A rate: more digits where there is little. */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 100) return count(value);
  return value >= 10 ? value.toFixed(1) : value.toFixed(value >= 0.005 || value === 0 ? 2 : 3);
}

/** A number in full, never as 2e-7, with so many digits at most. */
export function plain(value, digits = 10) {
  return value.toLocaleString("en-US", { maximumSignificantDigits: digits, useGrouping: false });
}

/** Basis points: a spread of 0.0015 is not 0.00. */
export function points(value) {
  if (value === null || value === undefined) return "–";
  return value >= 0.1 || value === 0 ? value.toFixed(2) : plain(value, 2);
}

const SPANS = [[1e-3, 1e6, "µs"], [1, 1e3, "ms"], [120, 1, "s"], [7200, 1 / 60, "min"], [172800, 1 / 3600, "h"]];

/** A span of time in its own unit: 85 µs, 3.2 ms, 12 s, 5 min, 3 h, 4 d. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds === 0) return "0 s";
  for (const [below, factor, unit] of SPANS) {
    if (seconds < below) return `${digits(seconds * factor)} ${unit}`;
  }
  return `${digits(seconds / 86400)} d`;
}

function digits(value) {
  return value >= 99.5 ? value.toFixed(0) : value >= 9.95 ? trim(value.toFixed(1)) : trim(value.toFixed(2));
}

function trim(text) {
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  let left = value;
  let unit = 0;
  while (left >= 1000 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? left : left.toFixed(left >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

/** 59:59 or 1:00:00. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, at) => (at ? String(part).padStart(2, "0") : String(part))).join(":");
}

/** The time of day of an ISO time, in UTC as it is written, to the millisecond. */
export function timeOfDay(iso, decimals = 3) {
  if (!iso) return "–";
  return iso.slice(11, decimals ? 20 + decimals : 19);
}

/** A part as percent, rounded down, so that 100 % means all of it. */
export function percent(part) {
  if (part === null || part === undefined) return "–";
  return part >= 1 ? "100 %" : `${(Math.floor(part * 1e5) / 1e3).toFixed(3)} %`;
}

/** A word as it is in the record, for reading: sequence_gap → sequence gap. */
export function words(name) {
  return String(name ?? "").replaceAll("_", " ");
}

let probe = null;

/** What a colour of the style sheet is in the theme that holds. */
export function colour(name) {
  probe ??= document.body.appendChild(make("span", { hidden: true }));
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
