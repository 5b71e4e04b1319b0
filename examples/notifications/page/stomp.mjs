// STOMP 1.2 through WebSocket, as much of it as a page needs that receives: log-in, one subscription, acknowledgements,
// heart-beats, and a new connection when the old one is lost.

const ESCAPES = { "\\r": "\r", "\\n": "\n", "\\c": ":", "\\\\": "\\" };
const UNESCAPES = { "\r": "\\r", "\n": "\\n", ":": "\\c", "\\": "\\\\" };

// How often each side gives a sign of life, and how long a lost connection is left alone at most; milliseconds.
const HEART_BEAT = 10_000;
const PAUSE_MOST = 30_000;

/** A frame as text. CONNECT is not escaped (STOMP 1.2, "Value Encoding"). */
function encode(command, headers, body = "") {
  const plain = command === "CONNECT";
  const escaped = (text) => (plain ? text : text.replace(/[\r\n:\\]/g, (character) => UNESCAPES[character]));
  const lines = Object.entries(headers).map(([name, value]) => `${escaped(name)}:${escaped(String(value))}\n`);
  return `${command}\n${lines.join("")}\n${body}\0`;
}

/** What the broker sent: one frame a message, or an end of line for a heart-beat, which is null. */
function decode(text) {
  const end = text.search(/\r?\n\r?\n/);
  if (end < 0) return null;
  const [command, ...lines] = text.slice(0, end).split(/\r?\n/);
  const headers = {};
  for (const line of lines) {
    const [name, value] = line.split(/:(.*)/s).map((part) => part.replace(/\\[rnc\\]/g, (escape) => ESCAPES[escape]));
    // The first of several counts ("Repeated Header Entries").
    if (!(name in headers)) headers[name] = value;
  }
  const body = text.slice(end).replace(/^\r?\n\r?\n/, "").replace(/\0[\r\n]*$/, "");
  return { command, headers, body };
}

/**
 * Receives what is in one queue. A message is acknowledged when `show` has returned: one that was not shown, because
 * the page was closed or `show` threw, comes again.
 *
 * `tell` hears what is going on: "connected", "lost" (it goes on by itself), or why the broker refuses, which is the end.
 */
export class Inbox {
  constructor({ url, login, passcode, queue, show, tell }) {
    Object.assign(this, { url, login, passcode, queue, show, tell });
    this.pause = 1_000;
    this.isClosed = false;
  }

  open() {
    const socket = new WebSocket(this.url, ["v12.stomp"]);
    this.socket = socket;
    socket.onopen = () => {
      const { login, passcode } = this;
      const headers = { "accept-version": "1.2", host: "/", login, passcode, "heart-beat": `${HEART_BEAT},${HEART_BEAT}` };
      socket.send(encode("CONNECT", headers));
    };
    socket.onmessage = (event) => {
      this.heard = Date.now();
      const frame = decode(String(event.data));
      if (frame !== null) this.take(frame);
    };
    socket.onclose = () => this.lost();
  }

  take({ command, headers, body }) {
    if (command === "CONNECTED") {
      this.pause = 1_000;
      this.beat = setInterval(() => this.look(), HEART_BEAT);
      // A queue that must be there: `follow.py` has declared it.
      const destination = `/amq/queue/${encodeURIComponent(this.queue)}`;
      this.socket.send(encode("SUBSCRIBE", { id: "inbox", destination, ack: "client-individual", "prefetch-count": 20 }));
      this.tell("connected");
    } else if (command === "MESSAGE") {
      this.show(JSON.parse(body), headers);
      this.socket.send(encode("ACK", { id: headers.ack }));
    } else if (command === "ERROR") {
      // Wrong password, no such queue, no right to read it: to ask again would not help.
      this.close();
      this.tell(`${headers.message}: ${body.trim()}`);
    }
  }

  /** Heart-beats both ways: a broker that says nothing for two of them is gone. */
  look() {
    if (Date.now() - this.heard > 2 * HEART_BEAT) this.socket.close();
    else this.socket.send("\n");
  }

  lost() {
    clearInterval(this.beat);
    if (this.isClosed) return;
    this.tell("lost");
    setTimeout(() => this.isClosed || this.open(), this.pause);
    this.pause = Math.min(2 * this.pause, PAUSE_MOST);
  }

  close() {
    this.isClosed = true;
    clearInterval(this.beat);
    this.socket.close();
  }
}
