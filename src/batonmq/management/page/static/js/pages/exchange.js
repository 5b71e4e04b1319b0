// One exchange: its bindings, publishing to it, its end.

import { get, path, query, remove } from "../core/api.js";
import { h } from "../core/dom.js";
import { fieldValue, rate } from "../core/format.js";
import { go } from "../core/router.js";
import { bindingTable } from "../parts/binding_table.js";
import { button, facts, section } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { name } from "../parts/names.js";
import { plot, OBJECT_RANGES, rangeChooser, rangeOf, rates, samplesQuery } from "../parts/plot.js";
import { publish } from "../parts/publish.js";
import { bind } from "./bindings.js";

const apiName = (exchange) => (exchange === "" ? "amq.default" : exchange);

async function load(page) {
  const [, vhost, exchangeName] = page.names;
  const range = rangeOf(OBJECT_RANGES, page);
  const where = `exchanges/${path(vhost, apiName(exchangeName))}`;
  const [exchange, from, to] = await Promise.all([
    get(`${where}${query(samplesQuery(range))}`, page),
    get(`${where}/bindings/source`, page),
    get(`${where}/bindings/destination`, page),
  ]);
  return { exchange, from, to, range };
}

function view({ exchange, from, to, range }, page) {
  const { vhost, name: exchangeName } = exchange;
  const isDefault = exchangeName === "";
  const itsOwn = !isDefault && !exchangeName.startsWith("amq.");
  return [
    section(
      "About it",
      {
        actions: [
          exchange.internal
            ? null
            : button(
                "Publish a message",
                () => publish(page, { vhost, exchange: exchangeName, title: "Publish to the exchange" }),
                { kind: "primary" },
              ),
          itsOwn ? button("Delete the exchange", () => destroy(exchange, from), { kind: "danger" }) : null,
        ],
      },
      isDefault ? h("p", {}, "Each queue is bound to the default exchange with its own name as the key.") : null,
      facts([
        ["Type", name(exchange.type)],
        ["Durable", exchange.durable ? "yes" : "no"],
        ["Auto-delete", exchange.auto_delete ? "yes" : "no"],
        ["Internal", exchange.internal ? "yes" : "no"],
        ["Policy", exchange.policy ? name(exchange.policy) : "none"],
        ...Object.entries(exchange.arguments ?? {}).map(([key, value]) => [
          h("code", {}, name(key)),
          h("bdi", {}, fieldValue(value)),
        ]),
      ]),
    ),
    section(
      "Messages",
      {
        actions: rangeChooser(OBJECT_RANGES, range, page),
      },
      h("div", { class: "plots" }, flowPlot(exchange.message_stats ?? {}, range)),
    ),
    section(
      "From here",
      { key: "from", actions: isDefault ? null : button("Bind", () => bind(page, { vhost, source: exchangeName })) },
      bindingTable(from, page, { caption: "Bindings from this exchange", of: "source" }),
    ),
    to.length > 0
      ? section(
          "To here",
          { key: "to" },
          bindingTable(to, page, { caption: "Bindings to this exchange", of: "destination" }),
        )
      : null,
  ];
}

function flowPlot(stats, range) {
  const series = [
    { name: "In", tone: 1, points: rates(stats.publish_in_details) },
    { name: "Out to queues", tone: 2, points: rates(stats.publish_out_details) },
  ];
  return plot({ title: "Messages a second", series, unit: rate, range });
}

function destroy(exchange, from) {
  return openDialog({
    title: "Delete the exchange?",
    lines: [
      [
        name(exchange.name, { whole: true }),
        ` will be deleted with its ${from.length} bindings. Whoever publishes to it gets an error from then on.`,
      ],
    ],
    confirm: "Delete",
    danger: true,
    typed: exchange.name,
    submit: () => remove(`exchanges/${path(exchange.vhost, exchange.name)}`),
    said: "The exchange is deleted.",
  }).then((gone) => {
    if (gone) {
      go(["exchanges"]);
    }
  });
}

export const exchange = {
  title: ([, vhost, exchangeName]) => [
    h("span", { class: "kind" }, "Exchange "),
    name(exchangeName, { whole: true, empty: "(default exchange)" }),
    h("span", { class: "in" }, " in ", name(vhost, { whole: true })),
  ],
  load,
  view,
};
