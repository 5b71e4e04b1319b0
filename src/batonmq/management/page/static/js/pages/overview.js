// The overview: what is stuck, how much goes through, and how the node does.

import { get, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { bytes, count, duration, NOTHING, rate, shortCount } from "../core/format.js";
import { address } from "../core/router.js";
import { attention, stuckQueues } from "../parts/attention.js";
import { badge } from "../parts/names.js";
import { facts, section } from "../parts/controls.js";
import { levels, plot, BROKER_RANGES, rangeChooser, rangeOf, rates, samplesQuery } from "../parts/plot.js";
import { table } from "../parts/table.js";

async function load(page) {
  const range = rangeOf(BROKER_RANGES, page);
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
        actions: rangeChooser(BROKER_RANGES, range, page),
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

const milliseconds = (value) =>
  typeof value === "number" ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : NOTHING;

function storeCard(store) {
  const { commits = {}, pending = {}, checkpoint = {}, log = {} } = store;
  return section(
    "Store",
    {},
    facts([
      [
        "State",
        store.fault
          ? badge("It cannot write", "bad")
          : store.is_full
            ? badge("Full", "bad")
            : badge("It writes", "good"),
      ],
      ["Size", `${bytes(store.size)}, ${bytes(store.free)} of it free`],
      ["Disk free", bytes(store.disk_free)],
      ["Log before the checkpoint", `${bytes(log.used_size)} of ${bytes(checkpoint.due_size)}`],
      ["Checkpoints", `${count(checkpoint.count)}${checkpoint.failed ? `, ${count(checkpoint.failed)} failed` : ""}`],
      ["Commits", `${count(commits.count)}${commits.failed ? `, ${count(commits.failed)} failed` : ""}`],
      ["A commit takes", `${milliseconds(commits.p50_ms)}; 1 in 100 more than ${milliseconds(commits.p99_ms)}`],
      ["The last took", milliseconds(commits.last_ms)],
      ["Not yet on the disk", bytes(pending.bytes)],
    ]),
  );
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
        { title: "Address", cell: (row) => h("bdi", {}, endpoint(row)) },
        { title: "TLS", cell: (row) => (row.tls ? "yes" : "no") },
      ],
    }),
  );
}

const endpoint = ({ ip_address: host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`;

export const overview = { title: () => "Overview", load, view };
