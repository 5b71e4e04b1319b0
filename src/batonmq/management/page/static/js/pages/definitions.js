// Export and import of definitions: everything but messages.

import { get, path, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { counted, visible } from "../core/format.js";
import { button, section } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { field, valuesOf } from "../parts/fields.js";
import { done, failed } from "../parts/notices.js";
import { vhostNames } from "../parts/vhosts.js";

const KINDS = [
  ["users", "user"],
  ["vhosts", "virtual host"],
  ["permissions", "permission"],
  ["topic_permissions", "topic permission"],
  ["policies", "policy", "policies"],
  ["parameters", "parameter"],
  ["queues", "queue"],
  ["exchanges", "exchange"],
  ["bindings", "binding"],
];

async function load(page) {
  return { vhosts: await vhostNames(page) };
}

function view({ vhosts }, page) {
  const administrator = page.may("administrator");
  const options = [
    ...(administrator ? [["", "the whole broker"]] : []),
    ...vhosts.map((vhost) => [vhost, visible(vhost)]),
  ];
  return [
    section(
      "Export",
      {},
      h(
        "p",
        {},
        "Users, virtual hosts, permissions, policies, queues, exchanges and bindings as a JSON file. Messages are not part of it; password hashes are, so keep it safe.",
      ),
      h(
        "form",
        {
          class: "inline",
          key: "export",
          kept: true,
          on: { submit: (event) => (event.preventDefault(), save(page, valuesOf(event.currentTarget))) },
        },
        field({ name: "vhost", label: "Of", type: "select", options }),
        h("button", { type: "submit", class: "primary" }, "Export"),
      ),
    ),
    section(
      "Import",
      {},
      h(
        "p",
        {},
        "A file that was exported here or by RabbitMQ. What it holds is added; users, permissions and policies of the same names are replaced. Nothing is deleted.",
      ),
      h(
        "form",
        {
          class: "inline",
          key: "import",
          kept: true,
          on: { submit: (event) => (event.preventDefault(), bring(event.currentTarget)) },
        },
        field({ name: "file", label: "File", type: "file", accept: ".json,application/json", required: true }),
        field({ name: "vhost", label: "Into", type: "select", options }),
        h("button", { type: "submit", class: "primary" }, "Import"),
      ),
    ),
  ];
}

const placeOf = (vhost) => (vhost === "" ? "definitions" : `definitions/${path(vhost)}`);

async function save(page, { vhost }) {
  try {
    const definitions = await get(placeOf(vhost), page);
    const blob = new Blob([`${JSON.stringify(definitions, null, 2)}\n`], { type: "application/json" });
    const href = URL.createObjectURL(blob);
    const anchor = h("a", { href, download: `definitions-${new Date().toISOString().slice(0, 10)}.json` });
    anchor.click();
    URL.revokeObjectURL(href);
    done("The definitions are exported.");
  } catch (error) {
    failed(error.message);
  }
}

async function bring(form) {
  const { file, vhost } = valuesOf(form);
  let definitions;
  try {
    definitions = JSON.parse(await file.text());
  } catch {
    failed("This file is not JSON.");
    return;
  }
  const found = KINDS.filter(([kind]) => Array.isArray(definitions?.[kind]) && definitions[kind].length > 0);
  if (found.length === 0) {
    failed("This file holds no definitions.");
    return;
  }
  await openDialog({
    title: "Import the definitions?",
    lines: [
      "The file holds:",
      h(
        "ul",
        {},
        found.map(([kind, one, many]) => h("li", {}, counted(definitions[kind].length, one, many))),
      ),
    ],
    confirm: "Import",
    submit: () => post(placeOf(vhost), definitions),
    said: "The definitions are imported.",
  });
}

export const definitions = { title: () => "Definitions", interval: 0, load, view };
