// All exchanges.

import { get, path, put, query } from "../core/api.js";
import { rate } from "../core/format.js";
import { button } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { objectOf } from "../parts/fields.js";
import { badge, exchangeLink, name } from "../parts/names.js";
import { listQuery, listState, pagedList } from "../parts/table.js";
import { listPath, vhostChoice, vhostNames } from "../parts/vhosts.js";

async function load(page) {
  const list = listState(page.state, { by: "name" });
  const [answer, vhosts, overview] = await Promise.all([
    get(`${listPath("exchanges", page)}${query(listQuery(list))}`, page),
    vhostNames(page),
    page.memory.types ?? get("overview?columns=exchange_types", page),
  ]);
  page.memory.types = overview;
  return { answer, list, vhosts, types: (overview.exchange_types ?? []).map((type) => type.name) };
}

function view({ answer, list, vhosts, types }, page) {
  return pagedList(page, list, answer, {
    caption: "Exchanges",
    key: (exchange) => `${exchange.vhost}\n${exchange.name}`,
    empty: "There are no exchanges.",
    beside: [
      vhostChoice(page, vhosts),
      button("Declare an exchange", () => declare(page, vhosts, types), { kind: "primary" }),
    ],
    columns: [
      { title: "Name", sort: "name", cell: (exchange) => exchangeLink(exchange.vhost, exchange.name) },
      vhosts.length > 1 && { title: "Virtual host", sort: "vhost", cell: (exchange) => name(exchange.vhost) },
      { title: "Type", sort: "type", cell: (exchange) => name(exchange.type) },
      { title: "Features", cell: exchangeFeatures },
      {
        title: "In",
        sort: "message_stats.publish_in_details.rate",
        number: true,
        cell: (exchange) => rate(exchange.message_stats?.publish_in_details?.rate ?? 0),
      },
      {
        title: "Out",
        sort: "message_stats.publish_out_details.rate",
        number: true,
        cell: (exchange) => rate(exchange.message_stats?.publish_out_details?.rate ?? 0),
      },
    ].filter(Boolean),
  });
}

/** What an exchange is, in badges. */
export function exchangeFeatures(exchange) {
  return [
    exchange.durable ? badge("D", "plain", "durable: it outlives a restart") : null,
    exchange.auto_delete ? badge("AD", "plain", "auto-delete: gone with its last binding") : null,
    exchange.internal ? badge("I", "plain", "internal: clients cannot publish to it") : null,
    exchange.arguments?.["alternate-exchange"]
      ? badge("AE", "plain", `what it cannot route goes to ${exchange.arguments["alternate-exchange"]}`)
      : null,
    exchange.policy ? badge("Policy", "plain", `by the policy ${exchange.policy}`) : null,
  ];
}

function declare(page, vhosts, types) {
  return openDialog({
    title: "Declare an exchange",
    confirm: "Declare",
    fields: [
      { name: "vhost", label: "Virtual host", type: "select", options: vhosts, value: page.state.vhost ?? vhosts[0] },
      { name: "name", label: "Name", required: true },
      {
        name: "type",
        label: "Type",
        type: "select",
        options: types.length ? types : ["direct", "fanout", "headers", "topic"],
      },
      { name: "durable", label: "Durable: it outlives a restart", type: "check", value: true },
      { name: "auto_delete", label: "Delete it with its last binding", type: "check" },
      { name: "internal", label: "Internal: clients cannot publish to it", type: "check" },
      {
        name: "alternate",
        label: "What it cannot route goes to the exchange",
        hint: "alternate-exchange; empty: it is dropped or returned.",
      },
      { name: "arguments", label: "More arguments", type: "area", rows: 3, hint: 'JSON, such as {"name": "value"}' },
    ],
    submit: ({ vhost, name: exchange, type, durable, auto_delete, internal, alternate, arguments: more }) => {
      const args = objectOf(more, "More arguments");
      if (alternate) {
        args["alternate-exchange"] = alternate;
      }
      return put(`exchanges/${path(vhost, exchange)}`, { type, durable, auto_delete, internal, arguments: args });
    },
    said: "The exchange is there.",
  }).then(() => page.refresh());
}

export const exchanges = { title: () => "Exchanges", load, view };
