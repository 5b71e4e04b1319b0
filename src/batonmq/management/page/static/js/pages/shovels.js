// Shovels: how they stand; made, restarted and deleted.

import { get, path, put, remove } from "../core/api.js";
import { h } from "../core/dom.js";
import { count } from "../core/format.js";
import { button, section } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { badge, name } from "../parts/names.js";
import { table } from "../parts/table.js";
import { vhostNames } from "../parts/vhosts.js";

const STATES = { running: ["Runs", "good"], starting: ["Begins", "warn"], terminated: ["Has failed", "bad"] };

async function load(page) {
  const [found, vhosts] = await Promise.all([get("shovels", page), vhostNames(page)]);
  return { found, vhosts };
}

function view({ found, vhosts }, page) {
  const may = page.may("policymaker");
  return section(
    "Shovels",
    { actions: may ? button("Add a shovel", () => add(page, vhosts), { kind: "primary" }) : null },
    h(
      "p",
      { class: "hint" },
      "Each moves messages from one queue to another, here or in any other broker: accepted here when confirmed there.",
    ),
    table({
      caption: "Shovels",
      rows: found,
      key: (shovel) => `${shovel.vhost}\n${shovel.name}`,
      empty: "There are none.",
      columns: [
        {
          title: "Name",
          cell: (shovel) => [
            name(shovel.name),
            shovel.type === "static" ? badge("In the configuration", "plain") : null,
          ],
        },
        vhosts.length > 1 && { title: "Virtual host", cell: (shovel) => name(shovel.vhost) },
        { title: "State", cell: state },
        { title: "From", cell: (shovel) => end(shovel, "src") },
        { title: "To", cell: (shovel) => end(shovel, "dest") },
        { title: "Moved", number: true, cell: (shovel) => count(shovel.moved) },
        { title: "On their way", number: true, cell: (shovel) => count(shovel.pending ?? 0) },
        may && {
          title: "",
          cell: (shovel) =>
            shovel.type === "static"
              ? null
              : h(
                  "div",
                  { class: "buttons" },
                  button("Restart", () => restart(page, shovel), { label: `Restart ${shovel.name}` }),
                  button("Delete", () => destroy(page, shovel), {
                    kind: "danger-quiet",
                    label: `Delete ${shovel.name}`,
                  }),
                ),
        },
      ].filter(Boolean),
    }),
  );
}

function state(shovel) {
  const [text, kind] = STATES[shovel.state] ?? [shovel.state, "plain"];
  return [badge(text, kind), shovel.reason ? h("span", { class: "why" }, name(shovel.reason, { whole: true })) : null];
}

function end(shovel, side) {
  const where = shovel[`${side}_queue`] ?? shovel[`${side}_address`] ?? shovel[`${side}_exchange`];
  const uri = shovel[`${side}_uri`];
  return [where ? name(where) : null, uri ? h("span", { class: "why" }, h("code", {}, name(uri))) : null];
}

function add(page, vhosts) {
  return openDialog({
    title: "Add a shovel",
    confirm: "Add",
    fields: [
      { name: "vhost", label: "Virtual host", type: "select", options: vhosts },
      { name: "name", label: "Name", required: true },
      {
        name: "from",
        label: "From the broker",
        required: true,
        value: "amqp://",
        hint: "A URL with user and password; amqp:// is this broker.",
      },
      { name: "source", label: "From the queue", required: true },
      { name: "to", label: "To the broker", required: true, placeholder: "amqp://user:password@host/vhost" },
      { name: "target", label: "To the queue", required: true },
    ],
    submit: ({ vhost, name: shovelName, from, source, to, target }) =>
      put(`parameters/shovel/${path(vhost, shovelName)}`, {
        value: { "src-uri": from, "src-queue": source, "dest-uri": to, "dest-queue": target },
      }),
    said: "The shovel begins.",
  }).then(() => page.refresh());
}

function restart(page, shovel) {
  return openDialog({
    title: "Restart the shovel?",
    lines: [[name(shovel.name), " connects anew. Messages on their way may come twice."]],
    confirm: "Restart",
    submit: () => remove(`shovels/vhost/${path(shovel.vhost, shovel.name)}/restart`),
    said: "The shovel begins anew.",
  }).then(() => page.refresh());
}

function destroy(page, shovel) {
  return openDialog({
    title: "Delete the shovel?",
    lines: [[name(shovel.name), " moves no more messages. Those that it has not moved stay where they are."]],
    confirm: "Delete",
    danger: true,
    submit: () => remove(`shovels/vhost/${path(shovel.vhost, shovel.name)}`),
    said: "The shovel is deleted.",
  }).then(() => page.refresh());
}

export const shovels = { title: () => "Shovels", load, view };
