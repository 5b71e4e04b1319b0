// A page while it is open: it asks the broker, keeps its state, and does what the user wants done.

import { ApiError } from "./core/api.js";
import { Refresh, INTERVAL } from "./core/refresh.js";
import { go } from "./core/router.js";
import { isOver, may } from "./core/session.js";
import { clearErrors, done, failed } from "./parts/notices.js";

/** One page, from its opening until another is opened: what the functions of a page get as `page`. */
export class Visit {
  #host;
  #refresh;
  #cancel = new AbortController();
  #data;

  constructor(definition, names, state, host) {
    this.definition = definition;
    this.names = names;
    this.state = state;
    /** What the page wants to remember while it is open. */
    this.memory = {};
    this.seenAt = null;
    this.session = host.session;
    this.#host = host;
    this.#refresh = new Refresh(() => this.#load(), definition.interval ?? INTERVAL);
  }

  begin() {
    this.#refresh.now();
  }

  leave() {
    this.#refresh.stop();
    this.#cancel.abort();
    this.definition.leave?.(this);
  }

  get signal() {
    return this.#cancel.signal;
  }

  may(need) {
    return may(this.session, need);
  }

  /** Change the page's state, which stands in the address. */
  set(changes, { replace = false } = {}) {
    go(this.names, { ...this.state, ...changes }, { replace });
  }

  stateChanged(state) {
    this.state = state;
    this.#refresh.now();
  }

  /** Ask the broker again at once. Nobody waits for it: a button that did would hear no click meanwhile. */
  refresh() {
    this.#refresh.now();
  }

  /** Draw again what is known: something in `memory` has changed. */
  redraw() {
    if (this.#data !== undefined) {
      this.#host.changed(this, this.#data);
    }
  }

  /** Do something that needs no question, say that it is done, and ask again. */
  async act(run, said) {
    try {
      const result = await run();
      clearErrors();
      done(typeof said === "function" ? said(result) : said);
    } catch (error) {
      await this.#say(error);
    }
    // Until it is shown what has become of it, it is not done twice.
    await this.#refresh.now();
  }

  async #load() {
    const { state } = this;
    try {
      const data = await this.definition.load(this);
      if (this.#cancel.signal.aborted) {
        return true;
      }
      this.#data = data;
      this.seenAt = new Date();
      this.#host.reached();
      if (state === this.state) {
        this.#host.changed(this, data);
      }
      return true;
    } catch (error) {
      if (!this.#cancel.signal.aborted) {
        await this.#say(error);
      }
      return !(error instanceof ApiError && error.lost);
    }
  }

  async #say(error) {
    if (error instanceof ApiError && error.status === 401 && (await isOver())) {
      this.#host.expired();
    } else if (error instanceof ApiError) {
      this.#host.refused(error);
    } else {
      failed(error.message);
      throw error;
    }
  }
}
