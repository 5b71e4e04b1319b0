// Which pages there are, how they are grouped in the navigation, and who may see them.

import { bindings } from "./pages/bindings.js";
import { channel } from "./pages/channel.js";
import { channels } from "./pages/channels.js";
import { connection } from "./pages/connection.js";
import { connections } from "./pages/connections.js";
import { deadLetters } from "./pages/dead_letters.js";
import { definitions } from "./pages/definitions.js";
import { delayed } from "./pages/delayed.js";
import { exchange } from "./pages/exchange.js";
import { exchanges } from "./pages/exchanges.js";
import { log } from "./pages/log.js";
import { missing } from "./pages/missing.js";
import { overview } from "./pages/overview.js";
import { policies } from "./pages/policies.js";
import { queue } from "./pages/queue.js";
import { queues } from "./pages/queues.js";
import { shovels } from "./pages/shovels.js";
import { user } from "./pages/user.js";
import { users } from "./pages/users.js";
import { vhosts } from "./pages/vhosts.js";

/** The navigation. `needs`: the tag without which a page is of no use. */
export const GROUPS = [
  {
    title: "Messages",
    entries: [
      { text: "Overview", names: [] },
      { text: "Queues", names: ["queues"] },
      { text: "Exchanges", names: ["exchanges"] },
      { text: "Bindings", names: ["bindings"] },
      { text: "Delayed messages", names: ["delayed"] },
      { text: "Dead letters", names: ["dead-letters"] },
    ],
  },
  {
    title: "Clients",
    entries: [
      { text: "Connections", names: ["connections"] },
      { text: "Channels", names: ["channels"] },
    ],
  },
  {
    title: "Administration",
    entries: [
      { text: "Virtual hosts", names: ["vhosts"] },
      { text: "Users", names: ["users"], needs: "administrator" },
      { text: "Policies", names: ["policies"] },
      { text: "Shovels", names: ["shovels"], needs: "monitoring" },
      { text: "Definitions", names: ["definitions"], needs: "policymaker" },
      { text: "Log", names: ["log"], needs: "monitoring" },
    ],
  },
];

// By the first name of the address, and how many names it has.
const PAGES = {
  queues: { 1: queues, 3: queue },
  exchanges: { 1: exchanges, 3: exchange },
  bindings: { 1: bindings },
  delayed: { 1: delayed },
  "dead-letters": { 1: deadLetters },
  connections: { 1: connections, 2: connection },
  channels: { 1: channels, 2: channel },
  vhosts: { 1: vhosts },
  users: { 1: users, 2: user },
  policies: { 1: policies },
  shovels: { 1: shovels },
  definitions: { 1: definitions },
  log: { 1: log },
};

/** The page that an address names: `title(names)`, `load(page)`, `view(data, page)`, and perhaps `interval`, `leave`. */
export function pageOf(names) {
  if (names.length === 0) {
    return overview;
  }
  return (Object.hasOwn(PAGES, names[0]) && PAGES[names[0]][names.length]) || missing;
}
