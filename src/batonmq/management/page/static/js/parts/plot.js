// Plots of samples over time, drawn as SVG.

import { h, s } from "../core/dom.js";
import { clock } from "../core/format.js";
import { chooser } from "./controls.js";

const HEIGHT = 190;
const TOP = 10;
const BOTTOM = 22;
const LEFT = 46;
const RIGHT = 8;

/** What a plot of the whole broker may show: `age` seconds back, `step` seconds from one sample to the next. */
export const BROKER_RANGES = [
  { key: "live", text: "Live", age: 300, step: 5 },
  { key: "hour", text: "An hour", age: 3_600, step: 60 },
  { key: "day", text: "A day", age: 86_400, step: 600 },
];

/** And one of a queue or an exchange, of which fewer samples are kept. */
export const OBJECT_RANGES = [
  { key: "live", text: "Live", age: 60, step: 5 },
  { key: "hour", text: "An hour", age: 3_600, step: 60 },
  { key: "day", text: "A day", age: 86_400, step: 1_800 },
];

/** The range that the page's state names. */
export const rangeOf = (ranges, page) => ranges.find((range) => range.key === page.state.range) ?? ranges[0];

/** The choice of a range. */
export function rangeChooser(ranges, range, page) {
  const options = ranges.map(({ key, text }) => [key, text]);
  return chooser("Range of the plots", options, range.key, (key) => page.set({ range: key }, { replace: true }));
}

/** The query that has the broker send the samples of a range. */
export function samplesQuery({ age, step }) {
  return { lengths_age: age, lengths_incr: step, msg_rates_age: age, msg_rates_incr: step };
}

/** Points of a quantity, from the oldest on; `details`: as in `messages_details`. */
export function levels(details) {
  return ordered(details).map(({ timestamp, sample }) => [timestamp, sample]);
}

/** Points of a rate in events a second, from samples of a total. */
export function rates(details) {
  const samples = ordered(details);
  return samples.slice(1).map(({ timestamp, sample }, index) => {
    const before = samples[index];
    const seconds = (timestamp - before.timestamp) / 1000;
    // A total that fell began anew.
    return [timestamp, seconds > 0 ? Math.max(0, (sample - before.sample) / seconds) : 0];
  });
}

function ordered(details) {
  return [...(details?.samples ?? [])].sort((one, other) => one.timestamp - other.timestamp);
}

/**
 * A plot. `series`: `name`, `tone` (1 to 6, its colour) and `points` [time, value]; `unit(value)` makes a text;
 * `range`: what is shown.
 */
export function plot({ title, series, unit, range }) {
  const width = innerWidth < 640 ? 330 : 560;
  const times = [...new Set(series.flatMap((one) => one.points.map(([time]) => time)))].sort((a, b) => a - b);
  const end = times.at(-1) ?? Date.now();
  const start = end - range.age * 1000;
  const most = niceMost(Math.max(0, ...series.flatMap((one) => one.points.map(([, value]) => value))));
  const x = (time) => LEFT + ((time - start) / (end - start)) * (width - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
  const drawing = s(
    "svg",
    {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      role: "img",
      "aria-label": summary(title, series, unit, range),
      on: { pointermove: (event) => point(event, { series, times, x, unit, width }), pointerleave: leave },
    },
    grid(most, unit, y, width),
    timeMarks(start, end, range, x),
    series.map((one) => s("path", { class: `line tone-${one.tone}`, d: line(one.points, x, y, start) })),
    s("g", { class: "cursor" }, s("line", { y1: TOP, y2: HEIGHT - BOTTOM }), s("text", { y: TOP + 8 })),
  );
  return h("figure", { class: "plot" }, h("figcaption", {}, title), drawing, legend(series, unit));
}

function summary(title, series, unit, range) {
  const parts = series.map(({ name, points }) => {
    const last = points.at(-1);
    return last
      ? `${name} ${unit(last[1])}, at most ${unit(Math.max(...points.map(([, value]) => value)))}`
      : `${name}: no samples`;
  });
  return `${title}, ${range.text.toLowerCase()}: ${parts.join("; ")}`;
}

function legend(series, unit) {
  return h(
    "ul",
    { class: "legend" },
    series.map(({ name, tone, points }) =>
      h(
        "li",
        {},
        s(
          "svg",
          { class: "swatch", viewBox: "0 0 18 6", "aria-hidden": "true" },
          s("path", { class: `line tone-${tone}`, d: "M0 3H18" }),
        ),
        `${name} `,
        h("b", {}, points.length ? unit(points.at(-1)[1]) : "–"),
      ),
    ),
  );
}

function line(points, x, y, start) {
  return points
    .filter(([time]) => time >= start)
    .map(([time, value], index) => `${index === 0 ? "M" : "L"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
}

/** The least of 1, 2, 4, 5, 10, ... that is not below. */
function niceMost(most) {
  if (most <= 0) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(most));
  const factor = [1, 2, 4, 5, 10].find((one) => one * power >= most);
  return factor * power;
}

function grid(most, unit, y, width) {
  return [0, 0.5, 1].map((part) =>
    s(
      "g",
      { class: "grid" },
      s("line", { x1: LEFT, x2: width - RIGHT, y1: y(most * part), y2: y(most * part) }),
      s("text", { x: LEFT - 6, y: y(most * part) + 4, "text-anchor": "end" }, unit(most * part)),
    ),
  );
}

function timeMarks(start, end, range, x) {
  return [0, 1, 2, 3].map((number) => {
    const time = start + ((end - start) * number) / 3;
    const anchor = number === 0 ? "start" : number === 3 ? "end" : "middle";
    return s(
      "text",
      { class: "time", x: x(time), y: HEIGHT - 6, "text-anchor": anchor },
      clock(new Date(time), range.age <= 300),
    );
  });
}

function point(event, { series, times, x, unit, width }) {
  const box = event.currentTarget.getBoundingClientRect();
  const at = ((event.clientX - box.left) / box.width) * width;
  const time = times.reduce((best, one) => (Math.abs(x(one) - at) < Math.abs(x(best) - at) ? one : best), times[0]);
  const cursor = event.currentTarget.querySelector(".cursor");
  if (time === undefined) {
    return;
  }
  const [mark, text] = cursor.children;
  mark.setAttribute("x1", x(time));
  mark.setAttribute("x2", x(time));
  const values = series
    .map((one) => one.points.find(([moment]) => moment === time))
    .map((found, index) => found && `${series[index].name} ${unit(found[1])}`);
  text.textContent = `${clock(new Date(time))}  ${values.filter(Boolean).join("  ")}`;
  text.setAttribute("text-anchor", at > width / 2 ? "end" : "start");
  text.setAttribute("x", x(time) + (at > width / 2 ? -6 : 6));
  cursor.classList.add("on");
}

function leave(event) {
  event.currentTarget.querySelector(".cursor").classList.remove("on");
}
