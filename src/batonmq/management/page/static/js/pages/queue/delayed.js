// What waits in a queue for its time: delayed messages and schedules.

import { get, path, post, query, remove } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { count, counted, dateOf, duration, moment } from "../../core/format.js";
import { button, section } from "../../parts/controls.js";
import { openDialog } from "../../parts/dialog.js";
import { messageList } from "../../parts/messages.js";

const SIZE = 50;

export async function loadDelayed(page, vhost, queue) {
  const where = `baton/queues/${path(vhost, queue)}`;
  const [delayed, schedules] = await Promise.all([
    get(`${where}/delayed${query({ count: SIZE, after: page.state.after })}`, page),
    get(`${where}/schedules${query({ count: SIZE })}`, page),
  ]);
  return { delayed, schedules: schedules.messages };
}

export function delayedPart({ queue, more: { delayed, schedules } }, page) {
  const where = `baton/queues/${path(queue.vhost, queue.name)}`;
  return [
    section(
      "Delayed messages",
      { key: "delayed" },
      h(
        "p",
        {},
        `${counted(delayed.total ?? delayed.messages.length, "message waits", "messages wait")} for its time. The next to come is the first.`,
      ),
      messageList(delayed.messages, {
        memory: page.memory,
        redraw: () => page.redraw(),
        empty: "Nothing is delayed in this queue.",
        actions: (message) => actionsOf(`${where}/delayed`, message, page),
      }),
      pager(delayed, page),
    ),
    section(
      "Schedules",
      { key: "schedules" },
      messageList(schedules, {
        memory: page.memory,
        redraw: () => page.redraw(),
        empty: "No message of this queue repeats itself.",
        actions: (message) => actionsOf(`${where}/schedules`, message, page),
      }),
    ),
  ];
}

/** The buttons of a message that waits for its time. */
export function actionsOf(where, message, page) {
  const date = dateOf(message.due_at);
  return h(
    "div",
    { class: "buttons" },
    date ? h("span", { class: "hint" }, `in ${duration(Math.max(0, date - Date.now()))}`) : null,
    button("Deliver now", () =>
      page.act(() => post(`${where}/${path(String(message.id))}/deliver`), "It is in the queue now."),
    ),
    button("Cancel it", () => cancel(where, message, page), { kind: "danger-quiet" }),
  );
}

function cancel(where, message, page) {
  return openDialog({
    title: "Cancel the message?",
    lines: [`The message ${message.id}, due ${moment(message.due_at)}, will be dropped for good.`],
    confirm: "Cancel the message",
    danger: true,
    submit: () => remove(`${where}/${path(String(message.id))}`),
    said: "The message is dropped.",
  }).then(() => page.refresh());
}

function pager(delayed, page) {
  if (!page.state.after && !delayed.next) {
    return null;
  }
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages of the list" },
    button("First", () => page.set({ after: "" }), { disabled: !page.state.after }),
    h("span", {}, `${count(delayed.messages.length)} of ${count(delayed.total)}`),
    button("Next", () => page.set({ after: delayed.next }), { disabled: !delayed.next }),
  );
}
