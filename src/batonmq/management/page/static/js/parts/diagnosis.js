// What is the matter with a queue, from its figures: a word, a sentence why, and what helps.

import { bytes, counted, count, rate } from "../core/format.js";

/** The columns of a queue that a diagnosis reads. */
export const DIAGNOSIS_COLUMNS = [
  "name",
  "vhost",
  "state",
  "paused",
  "fault",
  "messages",
  "messages_ready",
  "messages_unacknowledged",
  "delayed",
  "messages_details.rate",
  "consumers",
  "idle_since",
  "arguments",
  "effective_policy_definition",
  "message_stats.publish_details.rate",
  "message_stats.deliver_get_details.rate",
  "message_stats.ack_details.rate",
  "message_stats.redeliver_details.rate",
  "message_bytes_ready",
];

// Fewer than these that grow are no sign of anything.
const FEW = 20;

// Fewer than this many a second that come back are no sign of anything: somebody may have looked at one.
const SOME = 1;

const rateOf = (queue, counter) => queue.message_stats?.[`${counter}_details`]?.rate ?? 0;

/** Figures of a queue under short names. */
export function figures(queue) {
  return {
    ready: queue.messages_ready ?? 0,
    held: queue.messages_unacknowledged ?? 0,
    consumers: queue.consumers ?? 0,
    publish: rateOf(queue, "publish"),
    deliver: rateOf(queue, "deliver_get"),
    ack: rateOf(queue, "ack"),
    redeliver: rateOf(queue, "redeliver"),
    growth: queue.messages_details?.rate ?? 0,
  };
}

export const isPaused = (queue) => queue.paused === true || queue.state === "paused";

// In the order of what matters most. `level`: bad (it is stuck), warn (keep an eye on it).
const RULES = [
  {
    word: "Set aside",
    level: "bad",
    holds: (queue) => Boolean(queue.fault),
    why: (queue) => `The broker failed at this queue again and again, and set it aside: ${queue.fault}.`,
    helps: "Resume it to try once more. The broker's log has the details.",
  },
  {
    word: "Paused",
    level: "bad",
    holds: (queue, { ready }) => isPaused(queue) && ready > 0,
    why: (queue, { ready }) => `Somebody paused it: ${waiting(ready)}, and nothing is handed out until it is resumed.`,
    helps: "Resume it.",
  },
  {
    word: "Paused",
    level: "warn",
    holds: (queue) => isPaused(queue),
    why: () => "Somebody paused it: whatever comes waits until it is resumed.",
    helps: "Resume it.",
  },
  {
    word: "Going round",
    level: "bad",
    holds: (queue, { redeliver, ack }) => redeliver >= SOME && ack === 0,
    why: (queue, { redeliver }) =>
      `The same messages are delivered again and again, ${rate(redeliver)}, and none is acknowledged: consumers give them back.`,
    helps:
      "Look at its first messages, and at the log of the consumer: " +
      "one of them may be what it cannot handle. With x-delivery-limit and a dead-letter exchange, in its settings, such a message leaves the queue.",
  },
  {
    word: "Refusing",
    level: "bad",
    holds: (queue, { ready }) => refuses(queue) && isFull(queue, ready),
    why: (queue, { ready, consumers }) =>
      `It is full (${limits(queue)}) and refuses what is published: ${waiting(ready)}${consumers === 0 ? ", and nobody consumes from it" : ""}.`,
    helps: "Start consumers or more of them, move messages to another queue, or raise its limit in its settings.",
  },
  {
    word: "No consumers",
    level: "bad",
    holds: (queue, { ready, consumers, deliver }) => ready > 0 && consumers === 0 && deliver === 0,
    why: (queue, { ready }) => `${waiting(ready)}, and nobody consumes from it.`,
    helps:
      "Start the program that consumes from it. If these are dead letters, replay them; if nobody needs them, purge it.",
  },
  {
    word: "Not settled",
    level: "bad",
    holds: (queue, { ready, held, ack, deliver }) => ready > 0 && held > 0 && ack === 0 && deliver === 0,
    why: (queue, { ready, held, consumers }) =>
      `${counted(consumers, "consumer holds", "consumers hold")} ${counted(held, "message")} without settling any, and ${waiting(ready, true)} behind.`,
    helps: "The consumer hangs or is very slow. Close its connection: what it holds comes back, and goes to others.",
  },
  {
    word: "Not taken",
    level: "warn",
    holds: (queue, { ready, held, consumers, deliver }) => ready > 0 && held === 0 && consumers > 0 && deliver === 0,
    why: (queue, { ready, consumers }) =>
      `${waiting(ready)}, and ${consumers === 1 ? "its consumer takes" : `its ${count(consumers)} consumers take`} none: by a selector, for want of credit, or because they are not active.`,
    helps: "Look at its consumers.",
  },
  {
    word: "Full",
    level: "warn",
    holds: (queue, { ready }) => isFull(queue, ready),
    why: (queue) => `It is full (${limits(queue)}): each message that comes pushes out the oldest.`,
    helps: "Start consumers or more of them, or raise its limit in its settings.",
  },
  {
    word: "Coming back",
    level: "warn",
    holds: (queue, { redeliver, deliver }) => redeliver >= SOME && redeliver > deliver / 2,
    why: (queue, { redeliver, deliver }) =>
      `${rate(redeliver)} of ${rate(deliver)} that are delivered had been delivered before: consumers give messages back.`,
    helps: "Look at its first messages, and at the log of the consumer: some may be what it cannot handle.",
  },
  {
    word: "Growing",
    level: "warn",
    holds: (queue, { ready, growth, publish, deliver }) => ready >= FEW && growth > 0 && publish > deliver * 1.1,
    why: (queue, { ready, publish, deliver }) => `${rate(publish)} come and ${rate(deliver)} go: ${waiting(ready)}.`,
    helps: "Start more consumers, or find out why they are slow.",
  },
  {
    word: "Held",
    level: "warn",
    holds: (queue, { held, ack, deliver }) => held > 0 && ack === 0 && deliver === 0,
    why: (queue, { held }) => `Consumers hold ${counted(held, "message")} and have settled none lately.`,
    helps: "If this lasts, look at its consumers.",
  },
];

function waiting(number, short = false) {
  const verb = number === 1 ? "waits" : "wait";
  return short ? `${count(number)} ${verb}` : `${counted(number, "message")} ${verb}`;
}

/** The smallest limit of that name, of the queue's own and its policy's; null: none. */
function limitOf(queue, key) {
  const found = [queue.arguments?.[`x-${key}`], queue.effective_policy_definition?.[key]].filter(
    (limit) => typeof limit === "number",
  );
  return found.length ? Math.min(...found) : null;
}

/** Whether one more message of the usual size is more than it may hold. */
function isFull(queue, ready) {
  const [most, octets] = [limitOf(queue, "max-length"), limitOf(queue, "max-length-bytes")];
  const size = queue.message_bytes_ready ?? 0;
  return (most !== null && ready >= most) || (octets !== null && ready > 0 && size + size / ready > octets);
}

const refuses = (queue) =>
  (queue.arguments?.["x-overflow"] ?? queue.effective_policy_definition?.overflow ?? "").startsWith("reject-publish");

function limits(queue) {
  const [most, octets] = [limitOf(queue, "max-length"), limitOf(queue, "max-length-bytes")];
  return [most === null ? "" : counted(most, "message"), octets === null ? "" : bytes(octets)]
    .filter(Boolean)
    .join(" or ");
}

/** What is the matter: `word`, `level`, `why` and `helps`; null: all is well. */
export function diagnose(queue) {
  const known = figures(queue);
  const rule = RULES.find(({ holds }) => holds(queue, known));
  return rule ? { word: rule.word, level: rule.level, why: rule.why(queue, known), helps: rule.helps } : null;
}

/** What a queue does when nothing is the matter. */
export function activity(queue) {
  const { publish, deliver, ready } = figures(queue);
  return publish > 0 || deliver > 0 ? "Running" : ready > 0 ? "Waiting" : "Idle";
}
