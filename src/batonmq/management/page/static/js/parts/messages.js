// Messages as they are shown: where they came from, their properties and headers, and the body.

import { h } from "../core/dom.js";
import { count, counted, duration, fieldValue, moment, visible } from "../core/format.js";
import { bodyOf, octetsOf } from "./body.js";
import { facts } from "./controls.js";
import { badge, name } from "./names.js";

/** A list of messages. `memory` keeps which form each body is shown in; `redraw` draws the page again. */
export function messageList(messages, { memory, redraw, actions = () => null, empty = "There is no message." }) {
  if (messages.length === 0) {
    return h("p", { class: "empty" }, empty);
  }
  memory.forms ??= {};
  return h(
    "ol",
    { class: "messages" },
    messages.map((message, index) => {
      const id = String(message.id ?? message.position ?? index);
      const choose = (form) => {
        memory.forms[id] = form;
        redraw();
      };
      return h(
        "li",
        { key: id, class: "message" },
        head(message, index),
        actions(message),
        details(message),
        bodyOf(octetsOf(message), memory.forms[id], choose),
      );
    }),
  );
}

// Why a message waits for its time.
const WAITS = {
  delay: "Delayed by its sender",
  schedule: "Repeats itself",
  retry: "Waits to be tried again",
  "dead-letter": "A dead letter that cannot go where it should",
};

function head(message, index) {
  return h(
    "header",
    {},
    h("b", {}, `${index + 1}.`),
    h(
      "span",
      {},
      "by ",
      name(message.exchange, { empty: "the default exchange" }),
      " with the key ",
      name(message.routing_key, { empty: "(none)" }),
    ),
    message.redelivered ? badge("Redelivered", "warn") : null,
    message.held ? badge("Held by a consumer", "plain") : null,
    message.progress ? badge(progressText(message.progress), "plain") : null,
    message.due_at ? badge(`Due ${moment(message.due_at)}`, "plain") : null,
    WAITS[message.why] ? badge(WAITS[message.why], "plain") : null,
  );
}

function progressText({ fraction, note }) {
  return [`${Math.round(fraction * 100)} %`, note].filter(Boolean).join(" ");
}

function details(message) {
  const properties = Object.entries(message.properties ?? {}).filter(([key]) => key !== "headers");
  const headers = Object.entries(message.headers ?? message.properties?.headers ?? {});
  const times = message.deliveries ?? 0;
  return [
    facts([
      ["Came back", times > 0 ? counted(times, "time") : null],
      ["Priority", message.priority ?? null],
      ["Repeats", message.schedule ? scheduleText(message.schedule) : null],
      ["Expires", message.expires_at ? moment(message.expires_at) : null],
      ...properties.map(([key, value]) => [key.replaceAll("_", " "), h("bdi", {}, propertyText(key, value))]),
    ]),
    headers.length === 0
      ? null
      : h(
          "details",
          { class: "headers" },
          h("summary", {}, counted(headers.length, "header")),
          facts(headers.map(([key, value]) => [name(key), h("bdi", {}, fieldValue(value))])),
        ),
  ];
}

function scheduleText({ cron, period, repeat, repeated }) {
  const when = cron ? `at ${visible(cron)}` : period ? `every ${duration(period)}` : "";
  const left = repeat > 0 ? `${count(repeated)} of ${counted(repeat, "time")}` : counted(repeated ?? 0, "time");
  return [when, `so far ${left}`].filter(Boolean).join(", ");
}

function propertyText(key, value) {
  if (key === "delivery_mode") {
    return value === 2 ? "2 (persistent)" : `${value} (transient)`;
  }
  return fieldValue(value);
}
