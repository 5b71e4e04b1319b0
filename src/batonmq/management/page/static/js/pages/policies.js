// Policies and operator policies.

import { get, path, put, remove } from "../core/api.js";
import { h } from "../core/dom.js";
import { fieldValue } from "../core/format.js";
import { button, section } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { objectOf } from "../parts/fields.js";
import { badge, name } from "../parts/names.js";
import { table } from "../parts/table.js";
import { vhostNames } from "../parts/vhosts.js";

const APPLY_TO = [
  ["queues", "queues"],
  ["exchanges", "exchanges"],
  ["all", "queues and exchanges"],
];

// What the two kinds differ in.
const KINDS = {
  policies: {
    title: "Policies",
    text: "Settings of all queues and exchanges whose names match. Of those that match, the one with the highest priority counts.",
    one: "policy",
    needs: "policymaker",
    applyTo: APPLY_TO,
    example: '{"max-length": 100000, "dead-letter-exchange": "dlx"}',
  },
  "operator-policies": {
    title: "Operator policies",
    text: "Limits that an administrator sets on top: of a policy's limit and an operator's, the lower counts.",
    one: "operator policy",
    needs: "administrator",
    applyTo: APPLY_TO.slice(0, 1),
    example: '{"max-length": 1000000, "message-ttl": 86400000}',
  },
};

async function load(page) {
  const [found, operator, vhosts] = await Promise.all([
    get("policies", page),
    get("operator-policies", page),
    vhostNames(page),
  ]);
  return { found: { policies: found, "operator-policies": operator }, vhosts };
}

function view({ found, vhosts }, page) {
  return Object.entries(KINDS).map(([kind, words]) => {
    const may = page.may(words.needs);
    return section(
      words.title,
      {
        key: kind,
        actions: may
          ? button(`Add ${words.one === "policy" ? "a" : "an"} ${words.one}`, () => edit(page, kind, vhosts), {
              kind: "primary",
            })
          : null,
      },
      h("p", { class: "hint" }, words.text),
      table({
        caption: words.title,
        rows: [...found[kind]].sort((one, other) => other.priority - one.priority),
        key: (policy) => `${policy.vhost}\n${policy.name}`,
        empty: "There are none.",
        columns: [
          {
            title: "Name",
            cell: (policy) => [name(policy.name), policy.fixed ? badge("In the configuration", "plain") : null],
          },
          vhosts.length > 1 && { title: "Virtual host", cell: (policy) => name(policy.vhost) },
          { title: "Pattern", cell: (policy) => h("code", {}, name(policy.pattern)) },
          { title: "Of", cell: (policy) => policy["apply-to"] },
          { title: "Priority", number: true, cell: (policy) => String(policy.priority) },
          {
            title: "Settings",
            cell: (policy) =>
              Object.entries(policy.definition).map(([key, value]) =>
                h("span", { class: "why" }, h("code", {}, name(key)), " ", h("bdi", {}, fieldValue(value))),
              ),
          },
          may && {
            title: "",
            cell: (policy) =>
              policy.fixed
                ? null
                : h(
                    "div",
                    { class: "buttons" },
                    button("Change", () => edit(page, kind, vhosts, policy), { label: `Change ${policy.name}` }),
                    button("Delete", () => destroy(page, kind, policy), {
                      kind: "danger-quiet",
                      label: `Delete ${policy.name}`,
                    }),
                  ),
          },
        ].filter(Boolean),
      }),
    );
  });
}

function edit(page, kind, vhosts, policy) {
  const words = KINDS[kind];
  return openDialog({
    title: policy ? ["Change ", name(policy.name)] : `Add ${words.one === "policy" ? "a" : "an"} ${words.one}`,
    confirm: policy ? "Change" : "Add",
    fields: [
      { name: "vhost", label: "Virtual host", type: "select", options: policy ? [policy.vhost] : vhosts },
      { name: "name", label: "Name", required: true, value: policy?.name, readonly: Boolean(policy) },
      {
        name: "pattern",
        label: "Pattern",
        required: true,
        value: policy?.pattern,
        placeholder: "^orders\\.",
        hint: "A regular expression over names.",
      },
      { name: "applyTo", label: "Of", type: "select", options: words.applyTo, value: policy?.["apply-to"] },
      { name: "priority", label: "Priority", type: "number", value: policy?.priority ?? 0 },
      {
        name: "definition",
        label: "Settings",
        type: "area",
        rows: 4,
        value: policy ? JSON.stringify(policy.definition, null, 2) : "",
        hint: `JSON, such as ${words.example}`,
      },
    ],
    submit: ({ vhost, name: policyName, pattern, applyTo, priority, definition }) =>
      put(`${kind}/${path(vhost, policyName)}`, {
        pattern,
        "apply-to": applyTo,
        priority: priority ?? 0,
        definition: objectOf(definition, "Settings"),
      }),
    said: `The ${words.one} holds from now on.`,
  }).then(() => page.refresh());
}

function destroy(page, kind, policy) {
  return openDialog({
    title: `Delete the ${KINDS[kind].one}?`,
    lines: [
      [
        "What matches ",
        h("code", {}, name(policy.pattern)),
        " is no longer subject to ",
        name(policy.name),
        ". Queues may grow beyond what it allowed, or messages live longer.",
      ],
    ],
    confirm: "Delete",
    danger: true,
    submit: () => remove(`${kind}/${path(policy.vhost, policy.name)}`),
    said: `The ${KINDS[kind].one} is deleted.`,
  }).then(() => page.refresh());
}

export const policies = { title: () => "Policies", load, view };
