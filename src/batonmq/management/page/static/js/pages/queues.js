// All queues.

import { get, path, put, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { count, rate } from "../core/format.js";
import { button } from "../parts/controls.js";
import { activity, diagnose, DIAGNOSIS_COLUMNS, figures } from "../parts/diagnosis.js";
import { openDialog } from "../parts/dialog.js";
import { objectOf } from "../parts/fields.js";
import { badge, name, queueLink } from "../parts/names.js";
import { listQuery, listState, pagedList } from "../parts/table.js";
import { listPath, vhostChoice, vhostNames } from "../parts/vhosts.js";

const COLUMNS = [...DIAGNOSIS_COLUMNS, "durable", "exclusive", "auto_delete", "policy", "type"];

async function load(page) {
  const list = listState(page.state, { by: "name" });
  const [answer, vhosts] = await Promise.all([
    get(`${listPath("queues", page)}${query({ ...listQuery(list), columns: COLUMNS.join(",") })}`, page),
    vhostNames(page),
  ]);
  return { answer, list, vhosts };
}

function view({ answer, list, vhosts }, page) {
  return pagedList(page, list, answer, {
    caption: "Queues",
    key: (queue) => `${queue.vhost}\n${queue.name}`,
    empty: "There are no queues yet. Programs declare them; “Declare a queue” makes one by hand.",
    beside: [vhostChoice(page, vhosts), button("Declare a queue", () => declare(page, vhosts), { kind: "primary" })],
    columns: [
      { title: "Name", sort: "name", cell: (queue) => queueLink(queue.vhost, queue.name) },
      vhosts.length > 1 && { title: "Virtual host", sort: "vhost", cell: (queue) => name(queue.vhost) },
      { title: "State", class: "state", cell: stateOf },
      { title: "Ready", sort: "messages_ready", number: true, cell: (queue) => count(queue.messages_ready) },
      {
        title: "Unacked",
        sort: "messages_unacknowledged",
        number: true,
        cell: (queue) => count(queue.messages_unacknowledged),
      },
      { title: "Consumers", sort: "consumers", number: true, cell: (queue) => count(queue.consumers) },
      {
        title: "In",
        sort: "message_stats.publish_details.rate",
        number: true,
        cell: (queue) => rate(figures(queue).publish),
      },
      {
        title: "Out",
        sort: "message_stats.deliver_get_details.rate",
        number: true,
        cell: (queue) => rate(figures(queue).deliver),
      },
      { title: "Features", class: "wide-only", cell: features },
    ].filter(Boolean),
  });
}

function stateOf(queue) {
  const diagnosis = diagnose(queue);
  return diagnosis
    ? [badge(diagnosis.word, diagnosis.level), h("span", { class: "why" }, diagnosis.why)]
    : badge(activity(queue), "good");
}

const SHORT = [
  ["durable", "D", "durable: it outlives a restart"],
  ["exclusive", "Excl", "exclusive: of one connection, and gone with it"],
  ["auto_delete", "AD", "auto-delete: gone with its last consumer"],
];
const ARGUMENTS = {
  "x-message-ttl": ["TTL", "messages live for so long"],
  "x-expires": ["Exp", "it goes when it is not used"],
  "x-max-length": ["Lim", "its length is limited"],
  "x-max-length-bytes": ["Lim B", "its size is limited"],
  "x-dead-letter-exchange": ["DLX", "dead letters go to an exchange"],
  "x-max-priority": ["Pri", "messages have priorities"],
  "x-single-active-consumer": ["SAC", "one consumer at a time"],
};

/** What a queue is, in badges. */
export function features(queue) {
  const found = SHORT.filter(([field]) => queue[field]).map(([, text, title]) => badge(text, "plain", title));
  for (const [argument, [text, title]] of Object.entries(ARGUMENTS)) {
    if (queue.arguments && argument in queue.arguments) {
      found.push(badge(text, "plain", `${title}: ${argument} = ${queue.arguments[argument]}`));
    }
  }
  if (queue.policy) {
    found.push(badge("Policy", "plain", `by the policy ${queue.policy}`));
  }
  return h("span", { class: "badges" }, found);
}

function declare(page, vhosts) {
  return openDialog({
    title: "Declare a queue",
    confirm: "Declare",
    fields: [
      { name: "vhost", label: "Virtual host", type: "select", options: vhosts, value: page.state.vhost ?? vhosts[0] },
      { name: "name", label: "Name", required: true },
      { name: "durable", label: "Durable: it outlives a restart", type: "check", value: true },
      { name: "auto_delete", label: "Delete it with its last consumer", type: "check" },
      {
        name: "ttl",
        label: "Messages live for",
        type: "number",
        min: 0,
        hint: "Milliseconds (x-message-ttl); empty: without end.",
      },
      {
        name: "most",
        label: "It holds at most",
        type: "number",
        min: 0,
        hint: "Messages (x-max-length); empty: without limit.",
      },
      {
        name: "dlx",
        label: "Dead letters go to the exchange",
        hint: "x-dead-letter-exchange; empty: they are dropped.",
      },
      {
        name: "arguments",
        label: "More arguments",
        type: "area",
        rows: 3,
        hint: 'JSON, such as {"x-max-priority": 9}',
      },
    ],
    submit: ({ vhost, name: queue, durable, auto_delete, ttl, most, dlx, arguments: more }) => {
      const args = objectOf(more, "More arguments");
      if (ttl !== undefined) {
        args["x-message-ttl"] = ttl;
      }
      if (most !== undefined) {
        args["x-max-length"] = most;
      }
      if (dlx) {
        args["x-dead-letter-exchange"] = dlx;
      }
      return put(`queues/${path(vhost, queue)}`, { durable, auto_delete, arguments: args });
    },
    said: "The queue is there.",
  }).then(() => page.refresh());
}

export const queues = { title: () => "Queues", load, view };
