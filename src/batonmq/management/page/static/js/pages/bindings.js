// All bindings, as a table and as a drawing.

import { get, path, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { count } from "../core/format.js";
import { bindingColumns, bindingKey } from "../parts/binding_table.js";
import { button, chooser, section } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { objectOf } from "../parts/fields.js";
import { graph } from "../parts/graph.js";
import { name } from "../parts/names.js";
import { listState, listToolbar, wholeList } from "../parts/table.js";
import { vhostChoice, vhostNames } from "../parts/vhosts.js";

// A drawing of more is no longer read by anybody.
const DRAWN = 150;

async function load(page) {
  const vhosts = await vhostNames(page);
  const vhost = page.state.vhost;
  const found = await get(vhost === undefined ? "bindings" : `bindings/${path(vhost)}`, page);
  return { found: page.state.all ? found : found.filter((binding) => binding.source !== ""), vhosts };
}

function view({ found, vhosts }, page) {
  const drawn = page.state.as === "drawing";
  const list = listState(page.state, { by: "source" });
  const beside = [
    vhostChoice(page, vhosts),
    chooser(
      "How the bindings are shown",
      [
        ["table", "Table"],
        ["drawing", "Drawing"],
      ],
      drawn ? "drawing" : "table",
      (as) => page.set({ as: as === "table" ? "" : as, page: "" }),
    ),
    button("Bind", () => bind(page, { vhost: page.state.vhost ?? vhosts[0], vhosts }), { kind: "primary" }),
  ];
  if (!drawn) {
    const columns = bindingColumns(page);
    return wholeList(page, list, found, {
      caption: "Bindings",
      key: bindingKey,
      text: (binding) => `${binding.source}\n${binding.routing_key}\n${binding.destination}`,
      empty: "There are no bindings but those of the default exchange.",
      beside,
      columns:
        vhosts.length > 1
          ? [
              ...columns.slice(0, 3),
              {
                title: "Virtual host",
                sort: "vhost",
                value: (binding) => binding.vhost,
                cell: (binding) => name(binding.vhost),
              },
              ...columns.slice(3),
            ]
          : columns,
    });
  }
  const wanted = list.name.toLowerCase();
  const matching = found.filter((binding) =>
    `${binding.source}\n${binding.routing_key}\n${binding.destination}`.toLowerCase().includes(wanted),
  );
  return [
    listToolbar(page, list, [], matching.length, found.length, beside),
    section(
      "Who sends to whom",
      { key: "drawing" },
      matching.length > DRAWN
        ? h("p", {}, `Of ${count(matching.length)} bindings the first ${DRAWN} are drawn: search for a part of them.`)
        : null,
      matching.length === 0 ? h("p", { class: "empty" }, "There is nothing to draw.") : graph(matching.slice(0, DRAWN)),
    ),
  ];
}

/** Ask for a binding and make it; what is given is not asked for. */
export function bind(page, { vhost, vhosts, source, kind, destination }) {
  return openDialog({
    title: "Bind",
    lines: [
      source === undefined ? null : ["From the exchange ", name(source), "."],
      destination === undefined ? null : [`To the ${kind} `, name(destination), "."],
    ].filter(Boolean),
    confirm: "Bind",
    fields: [
      vhosts && vhosts.length > 1
        ? { name: "vhost", label: "Virtual host", type: "select", options: vhosts, value: vhost }
        : null,
      source === undefined ? { name: "source", label: "From the exchange", required: true } : null,
      destination === undefined
        ? { name: "kind", label: "To a", type: "select", options: ["queue", "exchange"] }
        : null,
      destination === undefined ? { name: "destination", label: "Its name", required: true } : null,
      { name: "key", label: "Routing key" },
      { name: "arguments", label: "Arguments", type: "area", rows: 2, hint: 'JSON, such as {"x-match": "all"}' },
    ].filter(Boolean),
    submit: (values) => {
      const to = (kind ?? values.kind) === "queue" ? "q" : "e";
      const where = `${path(values.vhost ?? vhost)}/e/${path(source ?? values.source)}/${to}/${path(destination ?? values.destination)}`;
      return post(`bindings/${where}`, { routing_key: values.key, arguments: objectOf(values.arguments, "Arguments") });
    },
    said: "The binding is there.",
  }).then(() => page.refresh());
}

export const bindings = { title: () => "Bindings", load, view };
