// All connections.

import { get, query } from "../core/api.js";
import { byteRate, count, moment } from "../core/format.js";
import { button } from "../parts/controls.js";
import { badge, connectionLink, name } from "../parts/names.js";
import { listQuery, listState, pagedList } from "../parts/table.js";
import { closeConnection } from "./queue/state.js";

async function load(page) {
  const list = listState(page.state, { by: "connected_at", down: true });
  return { answer: await get(`connections${query(listQuery(list))}`, page), list };
}

/** The state of a connection or a channel as a badge: what blocks a client stands out. */
export function stateBadge(state) {
  const kind = ["blocked", "blocking", "flow"].includes(state) ? "warn" : state === "running" ? "good" : "plain";
  const text = state ? state[0].toUpperCase() + state.slice(1) : "Unknown";
  return badge(
    text,
    kind,
    kind === "warn" ? "It publishes faster than the broker takes messages, or an alarm is on." : null,
  );
}

/** What a client says that it is. */
export function clientText(properties = {}) {
  return [properties.product, properties.version].filter((part) => typeof part === "string").join(" ");
}

function view({ answer, list }, page) {
  return pagedList(page, list, answer, {
    caption: "Connections",
    key: (connection) => connection.name,
    empty: "Nobody is connected.",
    columns: [
      {
        title: "Connection",
        sort: "name",
        cell: (connection) => [
          connectionLink(connection.name),
          connection.user_provided_name ? ["\n", name(connection.user_provided_name)] : null,
        ],
      },
      { title: "User", sort: "user", cell: (connection) => name(connection.user) },
      { title: "Virtual host", sort: "vhost", cell: (connection) => name(connection.vhost) },
      { title: "State", sort: "state", cell: (connection) => stateBadge(connection.state) },
      {
        title: "Protocol",
        sort: "protocol",
        class: "whole",
        cell: (connection) => [name(connection.protocol), connection.ssl ? badge("TLS", "good") : null],
      },
      {
        title: "Client",
        class: "wide-only",
        cell: (connection) => name(clientText(connection.client_properties), { empty: "–" }),
      },
      { title: "Channels", sort: "channels", number: true, cell: (connection) => count(connection.channels) },
      {
        title: "From client",
        sort: "recv_oct_details.rate",
        number: true,
        cell: (connection) => byteRate(connection.recv_oct_details?.rate),
      },
      {
        title: "To client",
        sort: "send_oct_details.rate",
        number: true,
        cell: (connection) => byteRate(connection.send_oct_details?.rate),
      },
      {
        title: "Since",
        sort: "connected_at",
        class: "wide-only whole",
        cell: (connection) => moment(connection.connected_at),
      },
      {
        title: "",
        cell: (connection) =>
          button("Close", () => closeConnection(page, connection.name), {
            kind: "danger-quiet",
            label: `Close ${connection.name}`,
          }),
      },
    ],
  });
}

export const connections = { title: () => "Connections", load, view };
