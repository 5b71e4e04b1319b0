// All users.

import { get, path, put } from "../core/api.js";
import { visible } from "../core/format.js";
import { button } from "../parts/controls.js";
import { openDialog } from "../parts/dialog.js";
import { badge, link, name } from "../parts/names.js";
import { listState, wholeList } from "../parts/table.js";

export const TAGS = [
  ["administrator", "Administrator: may do everything"],
  ["monitoring", "Monitoring: sees everything"],
  ["policymaker", "Policymaker: sets policies of its virtual hosts"],
  ["management", "Management: may use this page"],
];

async function load(page) {
  const [found, permissions] = await Promise.all([get("users", page), get("permissions", page)]);
  const opens = Map.groupBy ? Map.groupBy(permissions, ({ user }) => user) : grouped(permissions);
  return found.map((one) => ({
    ...one,
    tags: tagsOf(one),
    opens: (opens.get(one.name) ?? []).map(({ vhost }) => vhost),
  }));
}

function grouped(permissions) {
  const groups = new Map();
  for (const permission of permissions) {
    groups.set(permission.user, [...(groups.get(permission.user) ?? []), permission]);
  }
  return groups;
}

/** The tags of a user: a list, or as older brokers have it, a text with commas. */
export function tagsOf({ tags }) {
  return Array.isArray(tags) ? tags : (tags ?? "").split(",").filter(Boolean);
}

function view(rows, page) {
  const list = listState(page.state, { by: "name" });
  return wholeList(page, list, rows, {
    caption: "Users",
    key: (one) => one.name,
    text: (one) => one.name,
    empty: "There are no users.",
    beside: button("Add a user", () => editUser(page), { kind: "primary" }),
    columns: [
      { title: "Name", sort: "name", value: (one) => one.name, cell: (one) => link(["users", one.name], one.name) },
      { title: "Tags", cell: (one) => one.tags.map((tag) => badge(visible(tag))) },
      {
        title: "May open",
        cell: (one) =>
          one.opens.length
            ? one.opens.map((vhost, index) => [index ? ", " : null, name(vhost)])
            : badge("No virtual host", "warn"),
      },
    ],
  });
}

/** Ask for a user's password and tags, and keep them. `user`: one that is there. */
export function editUser(page, user) {
  const tags = user ? tagsOf(user) : [];
  const known = TAGS.map(([tag]) => tag);
  return openDialog({
    title: user ? ["Change ", name(user.name)] : "Add a user",
    confirm: user ? "Change" : "Add",
    fields: [
      { name: "name", label: "Name", required: true, value: user?.name, readonly: Boolean(user) },
      {
        name: "password",
        label: "Password",
        type: "password",
        complete: "new-password",
        required: !user,
        hint: user ? "Empty: the one that it has." : null,
      },
      { name: "again", label: "Password again", type: "password", complete: "new-password", required: !user },
      ...TAGS.map(([tag, label]) => ({ name: `tag-${tag}`, label, type: "check", value: tags.includes(tag) })),
    ],
    submit: (values) => {
      if (values.password !== values.again) {
        throw new Error("The two passwords differ.");
      }
      const chosen = [...known.filter((tag) => values[`tag-${tag}`]), ...tags.filter((tag) => !known.includes(tag))];
      // What is not said stays as it is.
      const secret = values.password ? { password: values.password } : {};
      return put(`users/${path(values.name)}`, { ...secret, tags: chosen.join(",") });
    },
    said: user ? "The user is changed." : "The user is there. Give it a permission for a virtual host.",
  }).then(() => page.refresh());
}

export const users = { title: () => "Users", load, view };
