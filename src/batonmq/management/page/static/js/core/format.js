// Numbers, sizes, times and names as people read them.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const ONE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const TWO_DIGITS = (number) => String(number).padStart(2, "0");

export const NOTHING = "–";

export function count(value) {
  return typeof value === "number" ? WHOLE.format(value) : NOTHING;
}

/** A count that has little room: 12.3K. */
export function shortCount(value) {
  return typeof value !== "number" ? NOTHING : Math.abs(value) < 10_000 ? ONE.format(value) : SHORT.format(value);
}

/** Messages or bytes a second. */
export function rate(value) {
  if (typeof value !== "number") {
    return NOTHING;
  }
  return `${Math.abs(value) < 10 ? ONE.format(value) : shortCount(Math.round(value))}/s`;
}

export function bytes(value) {
  if (typeof value !== "number") {
    return NOTHING;
  }
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let size = value;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? WHOLE.format(size) : ONE.format(size)} ${units[unit]}`;
}

export const byteRate = (value) => (typeof value === "number" ? `${bytes(Math.round(value))}/s` : NOTHING);

/** How long something takes or has lasted, in its two largest units. */
export function duration(milliseconds) {
  if (typeof milliseconds !== "number" || Number.isNaN(milliseconds)) {
    return NOTHING;
  }
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) {
    return milliseconds > 0 ? `${Math.round(milliseconds)} ms` : "0 s";
  }
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(" ");
}

/** A moment, local time; `when`: milliseconds since the epoch, seconds if it is that small, or a text of ISO 8601. */
export function moment(when) {
  const date = dateOf(when);
  if (!date) {
    return NOTHING;
  }
  const day = `${date.getFullYear()}-${TWO_DIGITS(date.getMonth() + 1)}-${TWO_DIGITS(date.getDate())}`;
  return `${day} ${clock(date)}`;
}

export function dateOf(when) {
  if (when === null || when === undefined || when === "") {
    return null;
  }
  const date = new Date(typeof when === "number" && when < 1e11 ? when * 1000 : when);
  return Number.isNaN(date.getTime()) ? null : date;
}

export function clock(date, seconds = true) {
  const text = `${TWO_DIGITS(date.getHours())}:${TWO_DIGITS(date.getMinutes())}`;
  return seconds ? `${text}:${TWO_DIGITS(date.getSeconds())}` : text;
}

/** "1 message", "2 messages". */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

// Marks that turn the direction of text, and other characters that show nothing: a name could pose as another by them.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu;

/** A text in which what would not be seen stands as its code point: U+202E is "⟨202E⟩". */
export function visible(text) {
  return String(text).replace(
    INVISIBLE,
    (mark) => `⟨${mark.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}

/** A value of a field table: a text as it is, anything else as JSON. */
export function fieldValue(value) {
  return visible(typeof value === "string" ? value : JSON.stringify(value));
}
