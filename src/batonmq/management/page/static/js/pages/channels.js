// All channels.

import { get, query } from "../core/api.js";
import { count, rate } from "../core/format.js";
import { badge, link, name } from "../parts/names.js";
import { listQuery, listState, pagedList } from "../parts/table.js";
import { stateBadge } from "./connections.js";

async function load(page) {
  const list = listState(page.state, { by: "name" });
  return { answer: await get(`channels${query(listQuery(list))}`, page), list };
}

const flow = (title, counter) => ({
  title,
  sort: `message_stats.${counter}_details.rate`,
  number: true,
  cell: (channel) => rate(channel.message_stats?.[`${counter}_details`]?.rate ?? 0),
});

/** The columns of channels. */
export function channelColumns() {
  return [
    { title: "Channel", sort: "name", cell: (channel) => link(["channels", channel.name], channel.name) },
    { title: "User", sort: "user", cell: (channel) => name(channel.user) },
    { title: "Virtual host", sort: "vhost", cell: (channel) => name(channel.vhost) },
    { title: "State", cell: (channel) => stateBadge(channel.state) },
    { title: "Mode", class: "wide-only", cell: modeOf },
    { title: "Consumers", sort: "consumer_count", number: true, cell: (channel) => count(channel.consumer_count) },
    {
      title: "Prefetch",
      sort: "prefetch_count",
      number: true,
      cell: (channel) => (channel.prefetch_count ? count(channel.prefetch_count) : "none"),
    },
    {
      title: "Unacked",
      sort: "messages_unacknowledged",
      number: true,
      cell: (channel) => count(channel.messages_unacknowledged),
    },
    {
      title: "Unconfirmed",
      sort: "messages_unconfirmed",
      number: true,
      class: "wide-only",
      cell: (channel) => count(channel.messages_unconfirmed),
    },
    flow("Publishes", "publish"),
    flow("Delivers", "deliver_get"),
    flow("Acknowledges", "ack"),
  ];
}

/** Confirms or transactions. */
export function modeOf(channel) {
  return channel.confirm ? badge("Confirms", "plain") : channel.transactional ? badge("Transactions", "plain") : "–";
}

function view({ answer, list }, page) {
  return pagedList(page, list, answer, {
    caption: "Channels",
    key: (channel) => channel.name,
    empty: "There are no channels.",
    columns: channelColumns(),
  });
}

export const channels = { title: () => "Channels", load, view };
