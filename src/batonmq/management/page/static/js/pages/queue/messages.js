// The messages of a queue: look at them, take some, publish, move, replay, purge.

import { get, path, post, query } from "../../core/api.js";
import { h } from "../../core/dom.js";
import { count, counted } from "../../core/format.js";
import { button, section } from "../../parts/controls.js";
import { openDialog } from "../../parts/dialog.js";
import { field, valuesOf } from "../../parts/fields.js";
import { messageList } from "../../parts/messages.js";
import { name } from "../../parts/names.js";
import { failed } from "../../parts/notices.js";
import { publish } from "../../parts/publish.js";

const WHERE = {
  name: "where",
  label: "Only those where",
  hint: "A condition over headers as in SQL, such as customer = 17; empty: all.",
};

// What was looked at stays until somebody looks again: nothing is asked at intervals.
export async function loadMessages() {
  return null;
}

const placeOf = (queue) => `baton/queues/${path(queue.vhost, queue.name)}`;

export function messagesPart({ queue }, page) {
  return [
    section(
      "What can be done",
      { key: "doing" },
      h(
        "div",
        { class: "buttons wrap" },
        button("Publish a message", () =>
          publish(page, {
            vhost: queue.vhost,
            exchange: "",
            key: queue.name,
            fixedKey: true,
            title: "Publish to the queue",
          }),
        ),
        button("Take messages out", () => takeOut(queue, page)),
        movable(queue, page),
        button("Replay dead letters", () => replay(page, queue)),
        button("Purge", () => purge(queue, page), { kind: "danger" }),
      ),
    ),
    peekPart(queue, page),
    page.memory.taken ? takenPart(page) : null,
  ];
}

function peekPart(queue, page) {
  const found = page.memory.peeked;
  const form = h(
    "form",
    {
      class: "inline",
      on: { submit: (event) => (event.preventDefault(), peek(queue, page, valuesOf(event.currentTarget))) },
    },
    field({ name: "count", label: "How many", type: "number", min: 1, max: 1000, value: 10 }),
    field(WHERE),
    field({ name: "held", label: "Those that consumers hold, too", type: "check" }),
    h("button", { type: "submit", class: "primary" }, "Look"),
  );
  return section(
    "Look into it",
    { key: "peek" },
    h("p", {}, `${counted(queue.messages_ready, "message is", "messages are")} ready. Looking takes nothing out.`),
    h("div", { key: "peek-form", kept: true }, form),
    found === undefined
      ? null
      : messageList(found, { memory: page.memory, redraw: () => page.redraw(), empty: "No such message is there." }),
  );
}

async function peek(queue, page, { count: number, where, held }) {
  try {
    const answer = await get(
      `${placeOf(queue)}/peek${query({ count: number ?? 10, where, held: held ? "true" : "" })}`,
      page,
    );
    page.memory.peeked = answer.messages;
    page.memory.forms = {};
  } catch (error) {
    failed(error.message);
  }
  page.redraw();
}

function takenPart(page) {
  return section(
    "Taken out",
    { key: "taken" },
    messageList(page.memory.taken, { memory: page.memory, redraw: () => page.redraw(), empty: "The queue was empty." }),
  );
}

function takeOut(queue, page) {
  return openDialog({
    title: "Take messages out",
    lines: ["Messages are taken from the head of the queue and shown."],
    confirm: "Take",
    fields: [
      { name: "count", label: "How many", type: "number", min: 1, max: 1000, value: 1, required: true },
      {
        name: "mode",
        label: "And then",
        type: "select",
        options: [
          ["ack_requeue_true", "put them back, marked as redelivered"],
          ["ack_requeue_false", "remove them for good"],
          ["reject_requeue_false", "reject them: they become dead letters if the queue has an exchange for these"],
        ],
      },
    ],
    submit: async ({ count: number, mode }) => {
      page.memory.taken = await post(`queues/${path(queue.vhost, queue.name)}/get`, {
        count: number,
        ackmode: mode,
        encoding: "auto",
        truncate: 1_000_000,
      });
      page.memory.forms = {};
    },
    said: () => `${counted(page.memory.taken.length, "message")} taken out.`,
  }).then(() => page.refresh());
}

/** The button that moves the messages of a queue to another. */
export function movable(queue, page) {
  return button("Move messages", () => move(queue, page));
}

function move(queue, page) {
  return openDialog({
    title: "Move messages",
    lines: [["The messages that are ready in ", name(queue.name), " go to the tail of another queue, in their order."]],
    confirm: "Move",
    fields: [
      { name: "to", label: "To the queue", required: true },
      { name: "count", label: "At most", type: "number", min: 1, hint: "Messages; empty: all." },
      WHERE,
    ],
    submit: ({ to, count: number, where }) => post(`${placeOf(queue)}/move`, wanted({ to, count: number, where })),
    said: (answer) => `${counted(answer.count, "message")} moved.`,
  }).then(() => page.refresh());
}

/** Ask, and bring dead letters back; `those`: only what died for that `reason` in that `queue`. */
export function replay(page, queue, those = {}) {
  return openDialog({
    title: "Replay dead letters",
    lines: [
      [
        "The dead letters in ",
        name(queue.name),
        " go back to the queues where they died, without the traces of their death. Those whose queue is gone stay.",
      ],
    ],
    confirm: "Replay",
    fields: [
      { name: "to", label: "All to the queue", hint: "Empty: each to where it came from." },
      { name: "count", label: "At most", type: "number", min: 1, hint: "Messages; empty: all." },
      WHERE,
    ],
    submit: ({ to, count: number, where }) =>
      post(`${placeOf(queue)}/replay`, wanted({ to, count: number, where, reason: those.reason, from: those.queue })),
    said: (answer) =>
      `${counted(answer.count, "message")} brought back${answer.skipped ? `; ${count(answer.skipped)} stayed, since where they came from is gone or not known` : ""}.`,
  }).then(() => page.refresh());
}

function purge(queue, page) {
  return openDialog({
    title: "Purge the queue?",
    lines: [
      [
        h("b", {}, counted(queue.messages_ready ?? 0, "message")),
        " in ",
        name(queue.name),
        " will be dropped for good, or those of them that a condition selects. What consumers hold stays with them.",
      ],
    ],
    confirm: "Purge",
    danger: true,
    typed: queue.name,
    fields: [WHERE],
    submit: ({ where }) => post(`${placeOf(queue)}/purge`, wanted({ where })),
    said: (answer) => `${counted(answer.count, "message")} dropped.`,
  }).then(() => page.refresh());
}

/** Without what was left empty. */
function wanted(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ""));
}
