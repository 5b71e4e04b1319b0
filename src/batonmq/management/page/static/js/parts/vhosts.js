// The choice of a virtual host, for lists that can be of one or of all.

import { get, path } from "../core/api.js";
import { visible } from "../core/format.js";
import { selectField } from "./controls.js";

/** The names of the virtual hosts that the user sees. */
export async function vhostNames(page) {
  const found = await get("vhosts?columns=name", page);
  return found.map(({ name }) => name);
}

/** A list's path: of the virtual host that the page's state names, or of all. */
export function listPath(kind, page) {
  return page.state.vhost === undefined ? kind : `${kind}/${path(page.state.vhost)}`;
}

/** The choice; null where there is only one. */
export function vhostChoice(page, names) {
  if (names.length < 2 && page.state.vhost === undefined) {
    return null;
  }
  const options = [["", "All"], ...names.map((name) => [name, visible(name)])];
  return selectField("Virtual host", options, page.state.vhost ?? "", (vhost) => page.set({ vhost, page: "" }));
}
