// One channel, with its consumers.

import { get, path } from "../core/api.js";
import { h } from "../core/dom.js";
import { count, moment } from "../core/format.js";
import { facts, section } from "../parts/controls.js";
import { badge, connectionLink, name, queueLink } from "../parts/names.js";
import { table } from "../parts/table.js";
import { modeOf } from "./channels.js";
import { stateBadge } from "./connections.js";

function view(channel) {
  return [
    section("About it", {}, facts(aboutFacts(channel))),
    section(
      "Consumers",
      {},
      table({
        caption: "Consumers of this channel",
        rows: channel.consumer_details ?? [],
        key: (row) => row.consumer_tag,
        empty: "It consumes from no queue.",
        columns: [
          { title: "Tag", cell: (row) => name(row.consumer_tag) },
          { title: "Queue", cell: (row) => queueLink(row.queue.vhost, row.queue.name) },
          { title: "Acknowledges", cell: (row) => (row.ack_required ? "yes" : "no") },
          { title: "Prefetch", number: true, cell: (row) => (row.prefetch_count ? count(row.prefetch_count) : "none") },
          { title: "Exclusive", cell: (row) => (row.exclusive ? badge("Exclusive", "plain") : "no") },
        ],
      }),
    ),
  ];
}

function aboutFacts(channel) {
  const stats = channel.message_stats ?? {};
  return [
    ["State", stateBadge(channel.state)],
    ["Connection", channel.connection_details?.name ? connectionLink(channel.connection_details.name) : null],
    ["User", name(channel.user)],
    ["Virtual host", name(channel.vhost)],
    ["Mode", modeOf(channel)],
    ["Prefetch", channel.prefetch_count ? count(channel.prefetch_count) : "none"],
    ["Prefetch of all its consumers", channel.global_prefetch_count ? count(channel.global_prefetch_count) : null],
    ["Unacknowledged", count(channel.messages_unacknowledged)],
    ["Unconfirmed", count(channel.messages_unconfirmed)],
    ["Uncommitted", channel.transactional ? count(channel.messages_uncommitted) : null],
    ["Published", count(stats.publish ?? 0)],
    ["Delivered", count(stats.deliver_get ?? 0)],
    ["Redelivered", count(stats.redeliver ?? 0)],
    ["Acknowledged", count(stats.ack ?? 0)],
    ["Returned as unroutable", count(stats.return_unroutable ?? 0)],
    ["Idle since", channel.idle_since ? moment(channel.idle_since) : null],
  ];
}

export const channel = {
  title: ([, channelName]) => [h("span", { class: "kind" }, "Channel "), name(channelName, { whole: true })],
  load: (page) => get(`channels/${path(page.names[1])}`, page),
  view,
};
