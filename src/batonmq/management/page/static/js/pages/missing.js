// An address that names no page.

import { h } from "../core/dom.js";
import { address } from "../core/router.js";

export const missing = {
  title: () => "There is no such page",
  interval: 0,
  load: async () => ({}),
  view: () => h("p", {}, h("a", { href: address([]) }, "To the overview")),
};
