// The log's last lines, and those that come, as they come.

import { get, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { clock, dateOf, visible } from "../core/format.js";
import { badge } from "../parts/names.js";
import { button, selectField } from "../parts/controls.js";
import { EventStream } from "../core/events.js";

const MOST = 500;
const LEVELS = ["debug", "info", "warning", "error"];
const KINDS = { debug: "plain", info: "plain", warning: "warn", error: "bad", critical: "bad" };

async function load(page) {
  const level = page.state.level ?? "info";
  const answer = await get(`baton/log${query({ count: MOST, level })}`, page);
  const { memory } = page;
  memory.lines = answer.lines ?? [];
  memory.level = level;
  memory.stream ??= new EventStream("log", {
    event: (line) => arrived(line, page),
    opened: (again) => again && page.refresh(),
    state: () => page.redraw(),
  });
  return {};
}

function arrived(line, page) {
  const { memory } = page;
  if (rank(line.level) < rank(memory.level) || memory.paused) {
    return;
  }
  memory.lines = [...memory.lines, line].slice(-MOST);
  page.redraw();
}

const rank = (level) => {
  const at = LEVELS.indexOf(String(level).toLowerCase());
  return at < 0 ? LEVELS.length : at;
};

function view(_, page) {
  const { memory } = page;
  return [
    h(
      "div",
      { class: "toolbar" },
      selectField(
        "At least",
        LEVELS.map((level) => [level, level]),
        memory.level,
        (level) => page.set({ level }),
      ),
      button(memory.paused ? "Go on" : "Hold still", () => {
        memory.paused = !memory.paused;
        return memory.paused ? page.redraw() : page.refresh();
      }),
      h(
        "p",
        { class: "found", role: "status" },
        memory.paused ? "Held still" : memory.stream.connected ? "Live" : "Connecting…",
      ),
    ),
    memory.lines.length === 0
      ? h("p", { class: "empty" }, "Nothing was logged.")
      : h(
          "ol",
          { class: "log", tabindex: "0", "aria-label": "Lines of the log, the newest first" },
          [...memory.lines].reverse().map(lineOf),
        ),
  ];
}

function lineOf(line) {
  const date = dateOf(line.at);
  const level = String(line.level ?? "info").toLowerCase();
  return h(
    "li",
    { class: level },
    h("time", {}, date ? clock(date) : ""),
    badge(level, KINDS[level] ?? "plain"),
    h(
      "bdi",
      {},
      String(line.message ?? "")
        .split("\n")
        .map(visible)
        .join("\n"),
    ),
  );
}

export const log = {
  title: () => "Log",
  interval: 0,
  load,
  view,
  leave: (page) => page.memory.stream?.close(),
};
