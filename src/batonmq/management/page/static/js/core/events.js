// The broker's stream of events, while the page is seen.

/** Server-sent events of some kinds. `event(data)` for each; `opened(again)`; `state()` when `connected` changes. */
export class EventStream {
  #kinds;
  #handlers;
  #source = null;
  #before = false;
  #seen = () => (document.hidden ? this.#stop() : this.#start());
  connected = false;

  constructor(kinds, handlers) {
    this.#kinds = kinds;
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", this.#seen);
    this.#seen();
  }

  close() {
    document.removeEventListener("visibilitychange", this.#seen);
    this.#stop();
  }

  #start() {
    if (this.#source) {
      return;
    }
    const address = new URL("api/baton/events", document.baseURI);
    address.searchParams.set("kinds", this.#kinds);
    this.#source = new EventSource(address);
    this.#source.addEventListener("open", () => {
      this.#changed(true);
      this.#handlers.opened(this.#before);
      this.#before = true;
    });
    this.#source.addEventListener("error", () => this.#changed(false));
    for (const kind of this.#kinds.split(",")) {
      this.#source.addEventListener(kind, (event) => this.#handlers.event(JSON.parse(event.data)));
    }
  }

  #stop() {
    this.#source?.close();
    this.#source = null;
    this.#changed(false);
  }

  #changed(connected) {
    if (connected !== this.connected) {
      this.connected = connected;
      this.#handlers.state();
    }
  }
}
