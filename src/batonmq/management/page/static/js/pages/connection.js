// One connection, with its channels.

import { get, path } from "../core/api.js";
import { h } from "../core/dom.js";
import { byteRate, bytes, count, duration, fieldValue, moment } from "../core/format.js";
import { go } from "../core/router.js";
import { button, facts, section } from "../parts/controls.js";
import { name } from "../parts/names.js";
import { table } from "../parts/table.js";
import { channelColumns } from "./channels.js";
import { clientText, stateBadge } from "./connections.js";
import { closeConnection } from "./queue/state.js";

async function load(page) {
  const where = `connections/${path(page.names[1])}`;
  const [connection, channels] = await Promise.all([get(where, page), get(`${where}/channels`, page)]);
  return { connection, channels };
}

function view({ connection, channels }, page) {
  const close = button(
    "Close the connection",
    () => closeConnection(page, connection.name).then((closed) => closed && go(["connections"])),
    { kind: "danger" },
  );
  return [
    section("About it", { actions: close }, facts(aboutFacts(connection))),
    section(
      "Channels",
      {},
      table({
        caption: "Channels of this connection",
        rows: channels,
        key: (channel) => channel.name,
        columns: channelColumns(),
        empty: "It has no channels.",
      }),
    ),
    connection.ssl ? section("TLS", {}, facts(tlsFacts(connection))) : null,
    section("What the client says of itself", {}, facts(clientFacts(connection.client_properties ?? {}))),
  ];
}

function aboutFacts(connection) {
  return [
    ["State", stateBadge(connection.state)],
    [
      "Its name for itself",
      connection.user_provided_name ? name(connection.user_provided_name, { whole: true }) : null,
    ],
    ["User", name(connection.user)],
    ["Virtual host", name(connection.vhost)],
    ["Protocol", name(connection.protocol)],
    ["Client", name(clientText(connection.client_properties), { empty: "–" })],
    ["From", address(connection.peer_host, connection.peer_port)],
    ["To", address(connection.host, connection.port)],
    ["Log-in", connection.auth_mechanism ? name(connection.auth_mechanism) : null],
    ["Since", `${moment(connection.connected_at)}, for ${duration(Date.now() - connection.connected_at)}`],
    ["Heartbeat", typeof connection.timeout === "number" ? `every ${connection.timeout} s` : null],
    ["From the client", `${bytes(connection.recv_oct)}, ${byteRate(connection.recv_oct_details?.rate)}`],
    ["To the client", `${bytes(connection.send_oct)}, ${byteRate(connection.send_oct_details?.rate)}`],
    ["Channels at most", connection.channel_max ? count(connection.channel_max) : null],
    ["Frames at most", connection.frame_max ? bytes(connection.frame_max) : null],
  ];
}

const address = (host, port) => (host ? h("bdi", {}, `${host}:${port}`) : null);

function tlsFacts(connection) {
  return [
    ["Version", connection.ssl_protocol],
    ["Cipher", connection.ssl_cipher],
    ["Hash", connection.ssl_hash],
    ["Key exchange", connection.ssl_key_exchange],
    [
      "Subject of the client's certificate",
      connection.peer_cert_subject && name(connection.peer_cert_subject, { whole: true }),
    ],
    ["Issuer", connection.peer_cert_issuer && name(connection.peer_cert_issuer, { whole: true })],
    ["Valid", connection.peer_cert_validity],
  ].filter(([, value]) => value);
}

function clientFacts(properties) {
  return Object.entries(properties)
    .filter(([key]) => key !== "capabilities")
    .map(([key, value]) => [name(key), h("bdi", {}, fieldValue(value))])
    .concat(
      properties.capabilities
        ? [
            [
              "capabilities",
              Object.entries(properties.capabilities)
                .filter(([, has]) => has === true)
                .map(([key]) => fieldValue(key))
                .join(", "),
            ],
          ]
        : [],
    );
}

export const connection = {
  title: ([, connectionName]) => [h("span", { class: "kind" }, "Connection "), name(connectionName, { whole: true })],
  load,
  view,
};
