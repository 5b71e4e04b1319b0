// How a queue does: what is the matter and what helps, figures, plots, consumers, bindings.

import { get, path, post, remove } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { bytes, count, duration, moment, rate } from "../../core/format.js";
import { bindingTable } from "../../parts/binding_table.js";
import { resume } from "../../parts/attention.js";
import { button, facts, section } from "../../parts/controls.js";
import { activity, diagnose, figures, isPaused } from "../../parts/diagnosis.js";
import { openDialog } from "../../parts/dialog.js";
import { badge, connectionLink, exchangeLink, name } from "../../parts/names.js";
import { OBJECT_RANGES, rangeChooser } from "../../parts/plot.js";
import { table } from "../../parts/table.js";
import { depthPlot, ratePlot } from "../overview.js";
import { bind } from "../bindings.js";
import { movable } from "./messages.js";

export async function loadState(page, vhost, queue) {
  const where = path(vhost, queue);
  const [bindings, groups] = await Promise.all([
    get(`queues/${where}/bindings`, page),
    get(`baton/queues/${where}/groups`, page).catch(() => ({ groups: [] })),
  ]);
  return { bindings, groups: groups.groups };
}

export function statePart({ queue, more, range }, page) {
  return [
    verdict(queue, page),
    numbers(queue),
    section(
      "Messages",
      {
        actions: rangeChooser(OBJECT_RANGES, range, page),
      },
      h("div", { class: "plots" }, depthPlot(queue, range), ratePlot(queue.message_stats ?? {}, range)),
    ),
    consumers(queue, page),
    more.groups.length > 0 ? groupsHeld(more.groups) : null,
    section(
      "Bindings to it",
      { actions: button("Bind", () => bind(page, { vhost: queue.vhost, kind: "queue", destination: queue.name })) },
      bindingTable(more.bindings, page, { caption: "Bindings to this queue", of: "destination" }),
    ),
    about(queue),
  ];
}

function verdict(queue, page) {
  const diagnosis = diagnose(queue);
  const goOn = isPaused(queue) || queue.fault;
  const actions = [
    goOn ? button("Resume", () => resume(queue, page), { kind: "primary" }) : button("Pause", () => pause(queue, page)),
    diagnosis ? movable(queue, page) : null,
  ];
  if (!diagnosis) {
    return section(
      "All is well",
      { key: "verdict", class: "verdict well", actions },
      h("p", {}, badge(activity(queue), "good"), " ", calm(queue)),
    );
  }
  return section(
    diagnosis.level === "bad" ? "It is stuck" : "Keep an eye on it",
    { key: "verdict", class: `verdict ${diagnosis.level === "bad" ? "stuck" : "watch"}`, actions },
    h("p", {}, badge(diagnosis.word, diagnosis.level), " ", diagnosis.why),
    h("p", { class: "helps" }, h("b", {}, "What helps: "), diagnosis.helps),
    diagnosis.level === "bad" && queue.idle_since
      ? h(
          "p",
          { class: "hint" },
          `Nothing has happened in it since ${moment(queue.idle_since)}, ${duration(Date.now() - new Date(queue.idle_since))} ago.`,
        )
      : null,
  );
}

function calm(queue) {
  const { publish, deliver, ready } = figures(queue);
  return publish || deliver
    ? `${rate(publish)} come and ${rate(deliver)} go.`
    : ready
      ? "Its messages are being taken."
      : "It is empty, and nothing comes.";
}

function pause(queue, page) {
  return openDialog({
    title: "Pause the queue?",
    lines: [
      [
        "Nothing of ",
        name(queue.name),
        " is handed out any more, over restarts of the broker too, until somebody resumes it. Publishers may go on.",
      ],
    ],
    confirm: "Pause",
    submit: () => post(`baton/queues/${path(queue.vhost, queue.name)}/pause`),
    said: "The queue is paused.",
  }).then(() => page.refresh());
}

function numbers(queue) {
  const { ready, held, consumers: number, publish, deliver, ack } = figures(queue);
  const shown = [
    ["Ready", count(ready)],
    ["Unacknowledged", count(held)],
    queue.delayed ? ["Delayed", count(queue.delayed)] : null,
    ["Consumers", count(number)],
    ["In", rate(publish)],
    ["Out", rate(deliver)],
    ["Acknowledged", rate(ack)],
  ].filter(Boolean);
  return h(
    "ul",
    { class: "figures", key: "figures" },
    shown.map(([word, value]) => h("li", {}, h("b", {}, value), h("span", {}, word))),
  );
}

function consumers(queue, page) {
  return section(
    "Consumers",
    {},
    table({
      caption: "Consumers of this queue",
      rows: queue.consumer_details ?? [],
      key: (row) => `${row.channel_details?.name} ${row.consumer_tag}`,
      empty: "Nobody consumes from it.",
      columns: [
        { title: "Tag", cell: (row) => name(row.consumer_tag) },
        {
          title: "Connection",
          cell: (row) =>
            row.channel_details?.connection_name ? connectionLink(row.channel_details.connection_name) : "–",
        },
        { title: "User", class: "wide-only", cell: (row) => name(row.channel_details?.user ?? "") },
        { title: "Acknowledges", class: "wide-only", cell: (row) => (row.ack_required ? "yes" : "no") },
        { title: "Prefetch", number: true, cell: (row) => (row.prefetch_count ? count(row.prefetch_count) : "none") },
        {
          title: "Active",
          cell: (row) => (row.active ? badge("Active", "good") : badge(row.activity_status ?? "waits", "plain")),
        },
        { title: "", cell: (row) => closing(row, page) },
      ],
    }),
  );
}

function closing(row, page) {
  const connection = row.channel_details?.connection_name;
  return connection
    ? button("Close its connection", () => closeConnection(page, connection), { kind: "danger-quiet" })
    : null;
}

/** Ask, and close a connection. */
export function closeConnection(page, connection) {
  return openDialog({
    title: "Close the connection?",
    lines: [
      [name(connection, { whole: true })],
      "What its consumers hold comes back to the queues. Most clients connect again by themselves.",
    ],
    confirm: "Close",
    danger: true,
    submit: () => remove(`connections/${path(connection)}`),
    said: "The connection is closed.",
  }).then((closed) => {
    page.refresh();
    return closed;
  });
}

function groupsHeld(groups) {
  return section(
    "Groups",
    {},
    table({
      caption: "Groups of messages, and who holds them",
      rows: groups,
      key: (row) => row.group,
      columns: [
        { title: "Group", cell: (row) => name(row.group) },
        {
          title: "Held by",
          cell: (row) =>
            row.holder ? name(row.holder.consumer_tag ?? row.holder.consumer ?? JSON.stringify(row.holder)) : "nobody",
        },
        { title: "Waiting", number: true, cell: (row) => count(row.waiting) },
      ],
    }),
  );
}

function about(queue) {
  const args = queue.arguments ?? {};
  return section(
    "About it",
    {},
    facts([
      ["Type", queue.type ?? null],
      ["Durable", queue.durable ? "yes" : "no"],
      ["Auto-delete", queue.auto_delete ? "yes" : "no"],
      ["Exclusive", queue.exclusive ? "yes" : "no"],
      ["Policy", queue.policy ? name(queue.policy) : "none"],
      ["Operator policy", queue.operator_policy ? name(queue.operator_policy) : null],
      [
        "Dead letters go to",
        args["x-dead-letter-exchange"] === undefined ? null : exchangeLink(queue.vhost, args["x-dead-letter-exchange"]),
      ],
      ["Size of the messages", bytes(queue.message_bytes ?? queue.message_bytes_ready)],
      ["In memory", bytes(queue.message_bytes_ram ?? queue.memory)],
      ...Object.entries(args).map(([key, value]) => [
        h("code", {}, name(key)),
        h("bdi", {}, typeof value === "string" ? value : JSON.stringify(value)),
      ]),
    ]),
  );
}
