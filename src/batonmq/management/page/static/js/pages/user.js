// One user: tags, permissions, topic permissions, its end.

import { get, path, put, remove } from "../core/api.js";
import { h } from "../core/dom.js";
import { visible } from "../core/format.js";
import { go } from "../core/router.js";
import { button, facts, section } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { badge, exchangeLink, name } from "../parts/names.js";
import { table } from "../parts/table.js";
import { vhostNames } from "../parts/vhosts.js";
import { editUser, tagsOf } from "./users.js";

async function load(page) {
  const where = `users/${path(page.names[1])}`;
  const [user, permissions, topics, vhosts] = await Promise.all([
    get(where, page),
    get(`${where}/permissions`, page),
    get(`${where}/topic-permissions`, page),
    vhostNames(page),
  ]);
  return { user, permissions, topics, vhosts };
}

function view({ user, permissions, topics, vhosts }, page) {
  const tags = tagsOf(user);
  return [
    section(
      "About it",
      {
        actions: [
          button("Change", () => editUser(page, user)),
          button("Delete the user", () => destroy(page, user), { kind: "danger" }),
        ],
      },
      facts([["Tags", tags.length ? tags.map((tag) => badge(visible(tag))) : "none: it cannot use this page"]]),
    ),
    section(
      "Permissions",
      { actions: button("Set a permission", () => permit(page, user, vhosts), { kind: "primary" }) },
      h(
        "p",
        { class: "hint" },
        "Regular expressions over the names of queues and exchanges: .* is all of them, nothing is none.",
      ),
      table({
        caption: "Permissions of this user",
        rows: permissions,
        key: ({ vhost }) => vhost,
        empty: "It may open no virtual host.",
        columns: [
          { title: "Virtual host", cell: ({ vhost }) => name(vhost) },
          { title: "Configure", cell: ({ configure }) => pattern(configure) },
          { title: "Write", cell: ({ write }) => pattern(write) },
          { title: "Read", cell: ({ read }) => pattern(read) },
          {
            title: "",
            cell: (permission) =>
              h(
                "div",
                { class: "buttons" },
                button("Change", () => permit(page, user, vhosts, permission), {
                  label: `Change the permission for ${permission.vhost}`,
                }),
                button("Clear", () => clear(page, user, permission), {
                  kind: "danger-quiet",
                  label: `Clear the permission for ${permission.vhost}`,
                }),
              ),
          },
        ],
      }),
    ),
    section(
      "Topic permissions",
      { actions: button("Set a topic permission", () => permitTopic(page, user, vhosts)) },
      h("p", { class: "hint" }, "What keys may be published and bound at a topic exchange. Without one, all may."),
      table({
        caption: "Topic permissions of this user",
        rows: topics,
        key: ({ vhost, exchange }) => `${vhost}\n${exchange}`,
        empty: "It has none: every key is allowed.",
        columns: [
          { title: "Exchange", cell: ({ vhost, exchange }) => exchangeLink(vhost, exchange) },
          { title: "Virtual host", cell: ({ vhost }) => name(vhost) },
          { title: "Write", cell: ({ write }) => pattern(write) },
          { title: "Read", cell: ({ read }) => pattern(read) },
          {
            title: "",
            cell: (topic) =>
              button("Change", () => permitTopic(page, user, vhosts, topic), {
                label: `Change the topic permission for ${topic.exchange}`,
              }),
          },
        ],
      }),
      topics.length > 0 ? vhostsWithTopics(page, user, topics) : null,
    ),
  ];
}

const pattern = (text) => (text === "" ? h("span", { class: "hint" }, "none") : h("code", {}, name(text)));

function vhostsWithTopics(page, user, topics) {
  const names = [...new Set(topics.map(({ vhost }) => vhost))];
  return h(
    "div",
    { class: "buttons" },
    names.map((vhost) =>
      button(["Clear all in ", name(vhost)], () => clearTopics(page, user, vhost), { kind: "danger-quiet" }),
    ),
  );
}

function permit(page, user, vhosts, permission) {
  return openDialog({
    title: ["A permission of ", name(user.name)],
    confirm: "Set",
    fields: [
      { name: "vhost", label: "Virtual host", type: "select", options: permission ? [permission.vhost] : vhosts },
      { name: "configure", label: "Configure", value: permission?.configure ?? ".*", hint: "Declare and delete." },
      { name: "write", label: "Write", value: permission?.write ?? ".*", hint: "Publish, and bind to." },
      { name: "read", label: "Read", value: permission?.read ?? ".*", hint: "Consume, purge, and bind from." },
    ],
    submit: ({ vhost, configure, write, read }) =>
      put(`permissions/${path(vhost, user.name)}`, { configure, write, read }),
    said: "The permission is set.",
  }).then(() => page.refresh());
}

function clear(page, user, { vhost }) {
  return openDialog({
    title: "Clear the permission?",
    lines: [[name(user.name), " will no longer be able to open the virtual host ", name(vhost), "."]],
    confirm: "Clear",
    danger: true,
    submit: () => remove(`permissions/${path(vhost, user.name)}`),
    said: "The permission is cleared.",
  }).then(() => page.refresh());
}

function permitTopic(page, user, vhosts, topic) {
  return openDialog({
    title: ["A topic permission of ", name(user.name)],
    confirm: "Set",
    fields: [
      { name: "vhost", label: "Virtual host", type: "select", options: topic ? [topic.vhost] : vhosts },
      {
        name: "exchange",
        label: "Topic exchange",
        value: topic?.exchange ?? "amq.topic",
        readonly: Boolean(topic),
        required: true,
      },
      { name: "write", label: "Write", value: topic?.write ?? ".*", hint: "Keys that may be published." },
      { name: "read", label: "Read", value: topic?.read ?? ".*", hint: "Keys that may be bound." },
    ],
    submit: ({ vhost, exchange, write, read }) =>
      put(`topic-permissions/${path(vhost, user.name)}`, { exchange, write, read }),
    said: "The topic permission is set.",
  }).then(() => page.refresh());
}

function clearTopics(page, user, vhost) {
  return openDialog({
    title: "Clear the topic permissions?",
    lines: [["All topic permissions of ", name(user.name), " in ", name(vhost), " go: every key is allowed then."]],
    confirm: "Clear",
    danger: true,
    submit: () => remove(`topic-permissions/${path(vhost, user.name)}`),
    said: "The topic permissions are cleared.",
  }).then(() => page.refresh());
}

function destroy(page, user) {
  const self = user.name === page.session.user ? " This is you: you will be logged out." : "";
  return openDialog({
    title: "Delete the user?",
    lines: [
      [
        name(user.name, { whole: true }),
        ` will be deleted with its permissions, and its connections are closed.${self}`,
      ],
    ],
    confirm: "Delete",
    danger: true,
    typed: user.name,
    submit: () => remove(`users/${path(user.name)}`),
    said: "The user is deleted.",
  }).then((gone) => {
    if (gone) {
      go(["users"]);
    }
  });
}

export const user = {
  title: ([, userName]) => [h("span", { class: "kind" }, "User "), name(userName, { whole: true })],
  load,
  view,
};
