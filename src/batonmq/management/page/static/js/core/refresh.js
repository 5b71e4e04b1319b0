// Asks again at intervals while the page is seen, and not while it is hidden.

export const INTERVAL = 5_000;
const SLOWEST = 30_000;

/** Calls `run` now and then: it returns a promise; after a failure the next try comes later and later. */
export class Refresh {
  #run;
  #interval;
  #timer = 0;
  #running = false;
  #again = false;
  #failures = 0;
  #stopped = false;
  #seen = () => this.#visibilityChanged();

  constructor(run, interval = INTERVAL) {
    this.#run = run;
    this.#interval = interval;
    document.addEventListener("visibilitychange", this.#seen);
    addEventListener("online", this.#seen);
  }

  /** Run at once; while a run is under way: once more after it. */
  async now() {
    clearTimeout(this.#timer);
    if (this.#stopped) {
      return;
    }
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    this.#again = false;
    let well = false;
    try {
      well = await this.#run();
    } finally {
      this.#running = false;
      this.#failures = well ? 0 : this.#failures + 1;
      this.#plan();
    }
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#seen);
    removeEventListener("online", this.#seen);
  }

  #plan() {
    clearTimeout(this.#timer);
    if (this.#stopped || document.hidden) {
      return;
    }
    if (this.#again) {
      this.now();
    } else if (this.#failures > 0) {
      this.#timer = setTimeout(() => this.now(), Math.min(SLOWEST, 1_000 * 2 ** Math.min(this.#failures, 5)));
    } else if (this.#interval > 0) {
      this.#timer = setTimeout(() => this.now(), this.#interval);
    }
  }

  #visibilityChanged() {
    if (document.hidden) {
      clearTimeout(this.#timer);
    } else if (this.#interval > 0 || this.#failures > 0) {
      this.now();
    }
  }
}
