// Bindings as a table, with what removes them.

import { path, remove } from "../core/api.js";
import { h } from "../core/dom.js";
import { fieldValue } from "../core/format.js";
import { button } from "./controls.js";
import { openDialog } from "./dialog.js";
import { exchangeLink, name, queueLink } from "./names.js";
import { table } from "./table.js";

export const bindingKey = (binding) =>
  [binding.vhost, binding.source, binding.destination_type, binding.destination, binding.properties_key].join("\n");

export const endLink = (binding) =>
  binding.destination_type === "queue"
    ? queueLink(binding.vhost, binding.destination)
    : exchangeLink(binding.vhost, binding.destination);

/** The columns of bindings. */
export function bindingColumns(page, { without } = {}) {
  return [
    without !== "source" && {
      title: "From exchange",
      sort: "source",
      value: (binding) => binding.source,
      cell: (binding) => exchangeLink(binding.vhost, binding.source),
    },
    {
      title: "Routing key",
      sort: "key",
      value: (binding) => binding.routing_key,
      cell: (binding) => name(binding.routing_key, { empty: "(none)" }),
    },
    without !== "destination" && {
      title: "To",
      sort: "destination",
      value: (binding) => binding.destination,
      cell: (binding) => [h("span", { class: "hint" }, `${binding.destination_type} `), endLink(binding)],
    },
    {
      title: "Arguments",
      cell: (binding) =>
        Object.keys(binding.arguments ?? {}).length ? h("code", {}, fieldValue(binding.arguments)) : "–",
    },
    {
      title: "",
      cell: (binding) =>
        binding.source === ""
          ? h("span", { class: "hint" }, "always there")
          : button("Unbind", () => unbind(binding, page), { kind: "danger-quiet" }),
    },
  ].filter(Boolean);
}

/** Bindings that have one end in common: `of` is "source" or "destination". */
export function bindingTable(bindings, page, { caption, of }) {
  return table({
    caption,
    rows: bindings,
    key: bindingKey,
    columns: bindingColumns(page, { without: of }),
    empty: "There are no bindings.",
  });
}

function unbind(binding, page) {
  const kind = binding.destination_type === "queue" ? "q" : "e";
  return openDialog({
    title: "Remove the binding?",
    lines: [
      [
        "Messages with the key ",
        name(binding.routing_key, { empty: "(none)" }),
        " will no longer go from ",
        name(binding.source),
        " to ",
        name(binding.destination),
        ".",
      ],
    ],
    confirm: "Remove",
    danger: true,
    submit: () =>
      remove(
        `bindings/${path(binding.vhost)}/e/${path(binding.source)}/${kind}/${path(binding.destination)}/${keyPath(binding.properties_key)}`,
      ),
    said: "The binding is removed.",
  }).then(() => page.refresh());
}

// The key is encoded already as RabbitMQ encodes it, and is encoded once more as part of a path.
const keyPath = (key) => path(key);
