// The overview: what is stuck, how much goes through, and how the node does.

import { get, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { bytes, count, duration, moment, rate, shortCount } from "../core/format.js";
import { address } from "../core/router.js";
import { attention, stuckQueues } from "../parts/attention.js";
import { badge } from "../parts/names.js";
import { chooser, facts, section } from "../parts/controls.js";
import { levels, plot, RANGES, rangeOf, rates, samplesQuery } from "../parts/plot.js";
import { table } from "../parts/table.js";

async function load(page) {
  const range = rangeOf(page.state.range);
  const [overview, nodes, stuck, store] = await Promise.all([
    get(`overview${query(samplesQuery(range))}`, page),
    page.may("monitoring") ? get("nodes", page) : [],
    stuckQueues(page),
    page.may("monitoring") ? get("baton/store", page) : null,
  ]);
  return { overview, nodes, stuck, store, range };
}

function view({ overview, nodes, stuck, store, range }, page) {
  return [
    alarms(nodes, store),
    attention(stuck, page),
    totals(overview),
    section(
      "Messages",
      {
        actions: chooser(
          "Range of the plots",
          RANGES.map(({ key, text }) => [key, text]),
          range.key,
          (key) => page.set({ range: key }, { replace: true }),
        ),
      },
      h(
        "div",
        { class: "plots" },
        ratePlot(overview.message_stats ?? {}, range),
        depthPlot(overview.queue_totals ?? {}, range),
      ),
    ),
    h(
      "div",
      { class: "columns" },
      nodes.map(nodeCard),
      store ? storeCard(store) : null,
      listeners(overview.listeners ?? []),
    ),
  ];
}

function alarms(nodes, store) {
  const found = [];
  for (const node of nodes) {
    if (node.mem_alarm) {
      found.push(
        `Memory is short: the broker uses ${bytes(node.mem_used)} of ${bytes(node.mem_limit)}. Publishers wait until consumers have made room.`,
      );
    }
    if (node.disk_free_alarm) {
      found.push(
        `The disk is full: ${bytes(node.disk_free)} are free, and ${bytes(node.disk_free_limit)} are kept. Publishers wait until there is room.`,
      );
    }
  }
  if (store?.fault) {
    found.push(`The store cannot write: ${faultText(store.fault)}`);
  }
  return found.length === 0
    ? null
    : h(
        "div",
        { class: "card alarms", role: "alert", key: "alarms" },
        h("h2", {}, "Alarm"),
        h(
          "ul",
          {},
          found.map((text) => h("li", {}, text)),
        ),
      );
}

function totals(overview) {
  const objects = overview.object_totals ?? {};
  const depth = overview.queue_totals ?? {};
  const figures = [
    ["Ready", shortCount(depth.messages_ready ?? 0), ["queues"]],
    ["Unacknowledged", shortCount(depth.messages_unacknowledged ?? 0), ["queues"]],
    ["Queues", shortCount(objects.queues), ["queues"]],
    ["Exchanges", shortCount(objects.exchanges), ["exchanges"]],
    ["Connections", shortCount(objects.connections), ["connections"]],
    ["Channels", shortCount(objects.channels), ["channels"]],
    ["Consumers", shortCount(objects.consumers), ["queues"]],
  ];
  return h(
    "ul",
    { class: "figures", key: "figures" },
    figures.map(([word, value, names]) =>
      h("li", {}, h("a", { href: address(names) }, h("b", {}, value), h("span", {}, word))),
    ),
  );
}

/** The plot of rates from `message_stats`. */
export function ratePlot(stats, range) {
  const series = [
    ["Published", "publish", 1],
    ["Delivered", "deliver_get", 2],
    ["Acknowledged", "ack", 3],
    ["Redelivered", "redeliver", 4],
  ].map(([name, counter, tone]) => ({ name, tone, points: rates(stats[`${counter}_details`]) }));
  return plot({ title: "Messages a second", series, unit: rate, range });
}

/** The plot of how many messages there are. */
export function depthPlot(depths, range) {
  const series = [
    ["Ready", "messages_ready", 5],
    ["Unacknowledged", "messages_unacknowledged", 6],
  ].map(([name, quantity, tone]) => ({ name, tone, points: levels(depths[`${quantity}_details`]) }));
  return plot({ title: "Messages in queues", series, unit: shortCount, range });
}

function nodeCard(node) {
  return section(
    "Node",
    { key: `node-${node.name}` },
    facts([
      ["Name", h("bdi", {}, node.name)],
      ["Up for", duration(node.uptime)],
      ["Memory", ofLimit(node.mem_used, node.mem_limit, node.mem_alarm)],
      ["Disk free", ofFree(node.disk_free, node.disk_free_limit, node.disk_free_alarm)],
      [
        "File descriptors",
        typeof node.fd_used === "number" ? `${count(node.fd_used)} of ${count(node.fd_total)}` : null,
      ],
      [
        "Sockets",
        typeof node.sockets_used === "number" ? `${count(node.sockets_used)} of ${count(node.sockets_total)}` : null,
      ],
      ["Processors", count(node.processors)],
      ["Process", node.os_pid ?? null],
    ]),
  );
}

function ofLimit(used, limit, alarm) {
  const text = `${bytes(used)}${limit ? ` of ${bytes(limit)}` : ""}`;
  return alarm ? [badge("Alarm", "bad"), " ", text] : text;
}

function ofFree(free, limit, alarm) {
  const text = `${bytes(free)}${limit ? `, ${bytes(limit)} kept` : ""}`;
  return alarm ? [badge("Alarm", "bad"), " ", text] : text;
}

const faultText = (fault) => (typeof fault === "string" ? fault : (fault.reason ?? JSON.stringify(fault)));

// Keys whose values are octets, moments, or lengths of time, by how they end.
const STORE_WORDS = [
  [/(^|_)(size|bytes|free|reserved)$/, bytes],
  [/(_at|_time)$/, moment],
  [/_ms$/, duration],
];

function storeCard(store) {
  const shown = Object.entries(store).flatMap(([key, value]) => storeFacts(key, value));
  return section("Store", {}, facts(shown));
}

function storeFacts(key, value) {
  if (value === null || Array.isArray(value) || key === "fault") {
    return [];
  }
  if (typeof value === "object") {
    return Object.entries(value).flatMap(([inner, one]) => storeFacts(`${key}_${inner}`, one));
  }
  const [, format] = STORE_WORDS.find(([pattern]) => pattern.test(key)) ?? [
    null,
    typeof value === "number" ? count : String,
  ];
  const words = key.replaceAll("_", " ");
  return [[words[0].toUpperCase() + words.slice(1), format(value)]];
}

function listeners(found) {
  const rows = [...found].sort((one, other) => one.port - other.port);
  return section(
    "Listeners",
    {},
    table({
      caption: "Listeners",
      rows,
      key: (row) => `${row.protocol} ${row.ip_address} ${row.port}`,
      columns: [
        { title: "Protocol", cell: (row) => row.protocol },
        { title: "Address", cell: (row) => h("bdi", {}, row.ip_address) },
        { title: "Port", number: true, cell: (row) => String(row.port) },
        { title: "TLS", cell: (row) => (row.tls ? "yes" : "no") },
      ],
    }),
  );
}

export const overview = { title: () => "Overview", load, view };
