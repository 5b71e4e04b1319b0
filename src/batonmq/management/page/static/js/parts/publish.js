// Publishing a message by hand.

import { path, post } from "../core/api.js";
import { objectOf } from "./fields.js";
import { openDialog } from "./dialog.js";

/** Ask for a message and publish it to an exchange ("" is the default one). */
export function publish(page, { vhost, exchange, key, title, fixedKey = false }) {
  return openDialog({
    title,
    confirm: "Publish",
    fields: [
      { name: "key", label: "Routing key", value: key, readonly: fixedKey },
      { name: "persistent", label: "Persistent: it outlives a restart", type: "check", value: true },
      { name: "type", label: "Content type", placeholder: "application/json" },
      { name: "headers", label: "Headers", type: "area", rows: 2, hint: 'JSON, such as {"customer": 17}' },
      { name: "body", label: "Body", type: "area", rows: 6 },
      { name: "binary", label: "The body is base64", type: "check" },
    ],
    submit: async ({ key: routingKey, persistent, type, headers, body, binary }) => {
      const properties = { delivery_mode: persistent ? 2 : 1, headers: objectOf(headers, "Headers") };
      if (type) {
        properties.content_type = type;
      }
      const answer = await post(`exchanges/${path(vhost, exchange === "" ? "amq.default" : exchange)}/publish`, {
        properties,
        routing_key: routingKey,
        payload: body,
        payload_encoding: binary ? "base64" : "string",
      });
      if (answer && answer.routed === false) {
        throw new Error("It reached no queue: no binding leads anywhere from there with this key.");
      }
    },
    said: "The message is published.",
  }).then(() => page.refresh());
}
