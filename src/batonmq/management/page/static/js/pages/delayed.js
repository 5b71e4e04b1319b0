// The queues in which messages wait for their time.

import { get, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { count } from "../core/format.js";
import { address } from "../core/router.js";
import { name } from "../parts/names.js";
import { table } from "../parts/table.js";

const MOST = 100;

async function load(page) {
  const answer = await get(
    `queues${query({ page: 1, page_size: MOST, sort: "delayed", sort_reverse: true, columns: "name,vhost,delayed,messages_ready" })}`,
    page,
  );
  return answer.items.filter((queue) => queue.delayed > 0);
}

function view(rows) {
  return table({
    caption: "Queues with delayed messages",
    rows,
    key: (queue) => `${queue.vhost}\n${queue.name}`,
    empty: "No message waits for its time. Messages with a delay, or whose retry comes later, are listed here.",
    columns: [
      {
        title: "Queue",
        cell: (queue) =>
          h("a", { href: address(["queues", queue.vhost, queue.name], { part: "delayed" }) }, name(queue.name)),
      },
      { title: "Virtual host", cell: (queue) => name(queue.vhost) },
      { title: "Delayed", number: true, cell: (queue) => count(queue.delayed) },
      { title: "Ready", number: true, cell: (queue) => count(queue.messages_ready) },
    ],
  });
}

export const delayed = { title: () => "Delayed messages", load, view };
