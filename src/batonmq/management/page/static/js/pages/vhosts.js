// Virtual hosts: what is in them, their limits, making and deleting them.

import { get, path, put, remove } from "../core/api.js";
import { h } from "../core/dom.js";
import { count, counted, rate } from "../core/format.js";
import { address } from "../core/router.js";
import { button } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { badge, name } from "../parts/names.js";
import { listState, wholeList } from "../parts/table.js";

const LIMITS = {
  "max-queues": "Queues at most",
  "max-connections": "Connections at most",
};

async function load(page) {
  const [found, limits] = await Promise.all([
    get("vhosts", page),
    page.may("administrator") ? get("vhost-limits", page) : [],
  ]);
  const limitsOf = new Map(limits.map(({ vhost, value }) => [vhost, value]));
  return found.map((vhost) => ({ ...vhost, limits: limitsOf.get(vhost.name) ?? {} }));
}

function view(rows, page) {
  const administrator = page.may("administrator");
  const list = listState(page.state, { by: "name" });
  return wholeList(page, list, rows, {
    caption: "Virtual hosts",
    key: (vhost) => vhost.name,
    text: (vhost) => `${vhost.name} ${vhost.description ?? ""}`,
    empty: "You may open no virtual host.",
    beside: administrator ? button("Add a virtual host", () => edit(page), { kind: "primary" }) : null,
    columns: [
      {
        title: "Name",
        sort: "name",
        value: (vhost) => vhost.name,
        cell: (vhost) => [
          h("a", { href: address(["queues"], { vhost: vhost.name }) }, name(vhost.name)),
          vhost.description ? h("span", { class: "why" }, name(vhost.description)) : null,
        ],
      },
      { title: "Tags", cell: (vhost) => (vhost.tags ?? []).map((tag) => badge(name(tag))) },
      {
        title: "Ready",
        sort: "ready",
        number: true,
        value: (vhost) => vhost.messages_ready ?? 0,
        cell: (vhost) => count(vhost.messages_ready ?? 0),
      },
      {
        title: "Unacked",
        sort: "held",
        number: true,
        value: (vhost) => vhost.messages_unacknowledged ?? 0,
        cell: (vhost) => count(vhost.messages_unacknowledged ?? 0),
      },
      { title: "In", number: true, cell: (vhost) => rate(vhost.message_stats?.publish_details?.rate ?? 0) },
      { title: "Out", number: true, cell: (vhost) => rate(vhost.message_stats?.deliver_get_details?.rate ?? 0) },
      { title: "Limits", cell: limitsText },
      administrator && {
        title: "",
        cell: (vhost) =>
          h(
            "div",
            { class: "buttons" },
            button("Change", () => edit(page, vhost), { label: `Change ${vhost.name}` }),
            button("Limits", () => limit(page, vhost), { label: `Limits of ${vhost.name}` }),
            button("Delete", () => destroy(page, vhost), { kind: "danger-quiet", label: `Delete ${vhost.name}` }),
          ),
      },
    ].filter(Boolean),
  });
}

function limitsText(vhost) {
  const set = Object.entries(vhost.limits);
  return set.length === 0
    ? "–"
    : set.map(([key, value]) => h("span", { class: "why" }, `${LIMITS[key] ?? key}: ${count(value)}`));
}

function edit(page, vhost) {
  return openDialog({
    title: vhost ? "Change the virtual host" : "Add a virtual host",
    confirm: vhost ? "Change" : "Add",
    fields: [
      { name: "name", label: "Name", required: true, value: vhost?.name, readonly: Boolean(vhost) },
      { name: "description", label: "Description", value: vhost?.description ?? "" },
      { name: "tags", label: "Tags", value: (vhost?.tags ?? []).join(", "), hint: "With commas between them." },
      {
        name: "type",
        label: "Type of queues that name none",
        type: "select",
        options: [["", "classic, or as it was"], "classic", "quorum"],
      },
    ],
    submit: ({ name: vhostName, description, tags, type }) =>
      put(`vhosts/${path(vhostName)}`, { description, tags, ...(type ? { default_queue_type: type } : {}) }),
    said: vhost ? "The virtual host is changed." : "The virtual host is there. Give users a permission for it.",
  }).then(() => page.refresh());
}

function limit(page, vhost) {
  return openDialog({
    title: ["Limits of ", name(vhost.name)],
    confirm: "Set",
    fields: Object.entries(LIMITS).map(([key, label]) => ({
      name: key,
      label,
      type: "number",
      min: -1,
      value: vhost.limits[key],
      hint: "Empty: without limit.",
    })),
    submit: async (values) => {
      for (const key of Object.keys(LIMITS)) {
        const where = `vhost-limits/${path(vhost.name, key)}`;
        if (values[key] !== undefined && values[key] !== vhost.limits[key]) {
          await put(where, { value: values[key] });
        } else if (values[key] === undefined && vhost.limits[key] !== undefined) {
          await remove(where);
        }
      }
    },
    said: "The limits are set.",
  }).then(() => page.refresh());
}

function destroy(page, vhost) {
  return openDialog({
    title: "Delete the virtual host?",
    lines: [
      [
        name(vhost.name, { whole: true }),
        " will be deleted for good with all its queues, exchanges, bindings, permissions and policies, and ",
        h("b", {}, counted(vhost.messages ?? 0, "message")),
        ". Whoever is connected to it is disconnected.",
      ],
    ],
    confirm: "Delete",
    danger: true,
    typed: vhost.name,
    submit: () => remove(`vhosts/${path(vhost.name)}`),
    said: "The virtual host is deleted.",
  }).then(() => page.refresh());
}

export const vhosts = { title: () => "Virtual hosts", load, view };
