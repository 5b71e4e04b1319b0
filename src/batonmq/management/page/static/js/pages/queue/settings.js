// The settings of a queue: what counts and where it comes from, changes in place, de-duplication keys, its end.

import { get, patch, path, query, remove } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { count, counted, fieldValue, moment } from "../../core/format.js";
import { go } from "../../core/router.js";
import { button, section } from "../../parts/controls.js";
import { openDialog } from "../../parts/dialog.js";
import { name } from "../../parts/names.js";
import { table } from "../../parts/table.js";

const KEYS = 50;

export async function loadSettings(page, vhost, queue) {
  const where = `baton/queues/${path(vhost, queue)}`;
  const [settings, keys] = await Promise.all([
    get(`${where}/settings`, page),
    get(`${where}/deduplication${query({ count: KEYS, after: page.state.after })}`, page).catch(() => null),
  ]);
  return { settings, keys };
}

export function settingsPart({ queue, more: { settings, keys } }, page) {
  return [
    section("Settings", { key: "settings" }, settingsTable(queue, settings, page)),
    keys && keys.keys.length > 0 ? keysPart(queue, keys, page) : null,
    section(
      "Delete it",
      { key: "end", class: "ending" },
      h("p", {}, "The queue goes with everything in it, and its bindings."),
      button("Delete the queue", () => destroy(queue), { kind: "danger" }),
    ),
  ];
}

function settingsTable(queue, settings, page) {
  const changeable = new Set(Object.keys(settings.changeable ?? {}).map(asArgument));
  const effective = settings.effective ?? {};
  const names = [
    ...new Set([...Object.keys(settings.arguments ?? {}), ...Object.keys(effective).map(asArgument), ...changeable]),
  ].sort();
  const rows = names.map((argument) => ({
    argument,
    own: settings.arguments?.[argument],
    effective: effective[argument] ?? effective[argument.replace(/^x-/, "")],
    policy: definitionOf(settings.policy)[argument.replace(/^x-/, "")],
    operator: definitionOf(settings.operator_policy)[argument.replace(/^x-/, "")],
    changeable: changeable.has(argument),
  }));
  const set = rows.filter((row) => [row.own, row.policy, row.operator].some((value) => value !== undefined));
  const unset = rows.filter((row) => row.changeable && row.own === undefined);
  return [
    table({
      caption: "Settings of the queue",
      rows: set,
      key: ({ argument }) => argument,
      empty: "It has no settings: messages live without end, and nothing is limited.",
      columns: [
        { title: "Setting", cell: ({ argument }) => h("code", {}, name(argument)) },
        { title: "What counts", cell: ({ effective: counts, own }) => valueText(counts ?? own) },
        { title: "Its own", cell: ({ own }) => valueText(own) },
        { title: "Policy", cell: ({ policy }) => valueText(policy) },
        { title: "Operator policy", cell: ({ operator }) => valueText(operator) },
        {
          title: "",
          cell: (row) =>
            row.changeable
              ? button("Change", () => change(queue, row, page), { label: `Change ${row.argument}` })
              : h("span", { class: "hint" }, "fixed"),
        },
      ],
    }),
    unset.length > 0 ? button("Set another", () => change(queue, null, page, unset)) : null,
  ];
}

const asArgument = (setting) => (setting.startsWith("x-") ? setting : `x-${setting}`);
const valueText = (value) => (value === undefined || value === null ? "–" : h("bdi", {}, fieldValue(value)));
const definitionOf = (policy) => (policy && typeof policy === "object" ? (policy.definition ?? policy) : {});

function change(queue, row, page, choices = []) {
  return openDialog({
    title: row ? ["Change ", h("code", {}, row.argument)] : "Set another",
    lines: [["It holds at once for ", name(queue.name), ", whatever is in it stays."]],
    confirm: "Change",
    fields: [
      row
        ? null
        : { name: "argument", label: "Setting", type: "select", options: choices.map(({ argument }) => argument) },
      {
        name: "value",
        label: "Value",
        value: row?.own === undefined ? "" : String(row.own),
        hint: row ? "Empty: without it." : "A number, or a text.",
      },
    ].filter(Boolean),
    submit: ({ argument, value }) =>
      patch(`baton/queues/${path(queue.vhost, queue.name)}/settings`, {
        arguments: { [row?.argument ?? argument]: read(value) },
      }),
    said: "The setting is changed.",
  }).then(() => page.refresh());
}

/** A number, true or false, or a text; nothing: null. */
function read(text) {
  if (text === "") {
    return null;
  }
  if (text === "true" || text === "false") {
    return text === "true";
  }
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function keysPart(queue, keys, page) {
  const where = `baton/queues/${path(queue.vhost, queue.name)}/deduplication`;
  return section(
    "De-duplication keys",
    { key: "keys" },
    h("p", {}, `${counted(keys.total ?? keys.keys.length, "key")} known: another message with one of them is dropped.`),
    table({
      caption: "De-duplication keys",
      rows: keys.keys,
      key: ({ key }) => key,
      columns: [
        { title: "Key", cell: ({ key }) => name(key) },
        { title: "Forgotten at", cell: ({ expires_at: at }) => moment(at) },
        {
          title: "",
          cell: ({ key }) =>
            button("Forget", () => page.act(() => remove(`${where}/${path(key)}`), "The key is forgotten."), {
              label: `Forget ${key}`,
            }),
        },
      ],
    }),
    keys.total > keys.keys.length ? h("p", { class: "hint" }, `The first ${count(keys.keys.length)} are shown.`) : null,
  );
}

function destroy(queue) {
  const consumers = queue.consumers ? ` ${counted(queue.consumers, "consumer")} will lose it.` : "";
  return openDialog({
    title: "Delete the queue?",
    lines: [
      [
        name(queue.name, { whole: true }),
        " will be deleted with ",
        h("b", {}, counted(queue.messages ?? 0, "message")),
        ` and its bindings, for good.${consumers}`,
      ],
    ],
    confirm: "Delete",
    danger: true,
    typed: queue.name,
    submit: () => remove(`queues/${path(queue.vhost, queue.name)}`),
    said: "The queue is deleted.",
  }).then((gone) => {
    if (gone) {
      go(["queues"]);
    }
  });
}
