// Bindings drawn: exchanges to the left, queues to the right, a line for each pair with the keys on it.

import { h, s } from "../core/dom.js";
import { visible } from "../core/format.js";
import { address } from "../core/router.js";

const BOX_WIDTH = 190;
const BOX_HEIGHT = 30;
const COLUMN = 360;
const ROW = 46;
const MARGIN = 12;
const NAME_LENGTH = 24;
const KEY_LENGTH = 26;

/** The drawing of bindings. */
export function graph(bindings) {
  const nodes = new Map();
  const edges = new Map();
  for (const binding of bindings) {
    const from = nodeOf(nodes, binding.vhost, "exchange", binding.source);
    const to = nodeOf(nodes, binding.vhost, binding.destination_type, binding.destination);
    const id = `${from.id}\n\n${to.id}`;
    const edge = edges.get(id) ?? { from, to, keys: [] };
    edge.keys.push(keyText(binding));
    edges.set(id, edge);
  }
  layOut(nodes, [...edges.values()]);
  const placed = [...nodes.values()];
  const width = Math.max(...placed.map(({ x }) => x)) + BOX_WIDTH + MARGIN;
  const height = Math.max(...placed.map(({ y }) => y)) + BOX_HEIGHT + MARGIN;
  return h(
    "div",
    {
      class: "drawing",
      tabindex: "0",
      role: "group",
      "aria-label": "Drawing of the bindings; the table says the same",
    },
    s(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height },
      s(
        "defs",
        {},
        s(
          "marker",
          { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" },
          s("path", { d: "M0 0L8 4L0 8Z" }),
        ),
      ),
      [...edges.values()].map(edgeOf),
      placed.map(boxOf),
    ),
  );
}

function nodeOf(nodes, vhost, kind, name) {
  const id = `${vhost}\n${kind}\n${name}`;
  if (!nodes.has(id)) {
    nodes.set(id, { id, vhost, kind, name, level: 0, x: 0, y: 0 });
  }
  return nodes.get(id);
}

function keyText(binding) {
  const key = visible(binding.routing_key);
  return Object.keys(binding.arguments ?? {}).length > 0
    ? `${key} ${visible(JSON.stringify(binding.arguments))}`.trim()
    : key;
}

// Exchanges that others lead to stand further right, queues in the last column. Circles of exchanges end the search.
function layOut(nodes, edges) {
  const exchanges = [...nodes.values()].filter(({ kind }) => kind === "exchange");
  for (let round = 0; round < Math.min(exchanges.length, 6); round += 1) {
    for (const { from, to } of edges) {
      if (to.kind === "exchange" && to.level <= from.level && from.level < 6) {
        to.level = from.level + 1;
      }
    }
  }
  const last = Math.max(0, ...exchanges.map(({ level }) => level)) + 1;
  const columns = new Map();
  for (const node of nodes.values()) {
    node.level = node.kind === "exchange" ? node.level : last;
    columns.set(node.level, [...(columns.get(node.level) ?? []), node]);
  }
  // From the left on, each stands where those that lead to it stand on the average.
  for (const level of [...columns.keys()].sort((a, b) => a - b)) {
    const column = columns.get(level);
    const weight = new Map(
      column.map((node) => [node, average(edges.filter(({ to }) => to === node).map(({ from }) => from.y))]),
    );
    column.sort((one, other) => weight.get(one) - weight.get(other) || one.name.localeCompare(other.name));
    column.forEach((node, row) => {
      node.x = MARGIN + level * COLUMN;
      node.y = MARGIN + row * ROW;
    });
  }
}

const average = (numbers) => (numbers.length ? numbers.reduce((sum, one) => sum + one, 0) / numbers.length : 0);

function edgeOf({ from, to, keys }) {
  const x1 = from.x + BOX_WIDTH;
  const y1 = from.y + BOX_HEIGHT / 2;
  const y2 = to.y + BOX_HEIGHT / 2;
  const back = to.x <= from.x;
  const x2 = back ? to.x + BOX_WIDTH : to.x;
  const bend = back ? 60 : Math.max(40, (x2 - x1) / 2);
  const text = keys.filter(Boolean).join(", ");
  const end = back ? x2 + bend : x2 - bend;
  return s(
    "g",
    { class: "edge" },
    s("title", {}, `${visible(from.name)} → ${visible(to.name)}: ${text || "(no key)"}`),
    s("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${end} ${y2} ${x2} ${y2}`, "marker-end": "url(#arrow)" }),
    // Near its end, where lines are apart from each other.
    back ? null : s("text", { x: x2 - 10, y: y2 - 5, "text-anchor": "end" }, shortened(text, KEY_LENGTH)),
  );
}

function boxOf({ vhost, kind, name, x, y }) {
  const shown = name === "" ? "(default exchange)" : visible(name);
  const page = kind === "queue" ? "queues" : "exchanges";
  return s(
    "a",
    { class: `node ${kind}`, href: address([page, vhost, name]) },
    s("title", {}, `${kind} ${shown}`),
    s("rect", { x, y, width: BOX_WIDTH, height: BOX_HEIGHT, rx: kind === "queue" ? 4 : 15 }),
    s(
      "text",
      { x: x + BOX_WIDTH / 2, y: y + BOX_HEIGHT / 2 + 4, "text-anchor": "middle" },
      shortened(shown, NAME_LENGTH),
    ),
  );
}

function shortened(text, most) {
  const points = [...text];
  return points.length > most ? `${points.slice(0, most - 1).join("")}…` : text;
}
