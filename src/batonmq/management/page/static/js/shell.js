// The frame around all pages: head, navigation, the state of the connection, and the page that the address names.

import { h, ICON, show } from "./core/dom.js";
import { clock } from "./core/format.js";
import { address, current } from "./core/router.js";
import { may } from "./core/session.js";
import { switchTheme, themeName } from "./core/theme.js";
import { GROUPS, pageOf } from "./pages.js";
import { button } from "./parts/controls.js";
import { done, failed, noticesPlace } from "./parts/notices.js";
import { Visit } from "./visit.js";

/** Shows one page after another until the session ends. */
export class Shell {
  #place;
  #session;
  #ended;
  #visit = null;
  #heading = h("h1", { tabindex: "-1" });
  #content = h("div", { class: "content" });
  #connection = h("p", { class: "connection", role: "status" });
  #header = h("header", { class: "top" });
  #nav = h("nav", { id: "navigation", "aria-label": "Pages" });
  #main = h("main", { id: "main", tabindex: "-1" }, this.#connection, this.#heading, this.#content);
  #navigate = () => this.#go();

  /** `ended(why)` is called when the session is over: "left" or "expired". */
  constructor(place, session, ended) {
    this.#place = place;
    this.#session = session;
    this.#ended = ended;
  }

  open() {
    const skip = h(
      "a",
      { class: "skip", href: "#main", on: { click: (event) => this.#skip(event) } },
      "Skip to the content",
    );
    this.#place.replaceChildren(skip, this.#header, h("div", { class: "frame" }, this.#nav, this.#main), noticesPlace);
    addEventListener("hashchange", this.#navigate);
    this.#go();
  }

  close() {
    removeEventListener("hashchange", this.#navigate);
    this.#visit?.leave();
    this.#place.replaceChildren();
  }

  #skip(event) {
    event.preventDefault();
    this.#main.focus();
  }

  #go() {
    const { names, state } = current();
    const same = this.#visit && this.#visit.names.join("\n") === names.join("\n");
    if (same) {
      this.#visit.stateChanged(state);
      return;
    }
    const first = this.#visit === null;
    this.#visit?.leave();
    this.#content = h("div", { class: "content" }, h("p", { class: "empty" }, "Loading…"));
    this.#main.replaceChildren(this.#connection, this.#heading, this.#content);
    const definition = pageOf(names);
    this.#visit = new Visit(definition, names, state, {
      session: this.#session,
      changed: (visit, data) => this.#draw(visit, data),
      refused: (error) => this.#refused(error),
      reached: () => this.#reached(),
      expired: () => this.#ended("expired"),
    });
    const title = definition.title(names);
    this.#heading.replaceChildren(...[title].flat());
    document.title = `${this.#heading.textContent} – BatonMQ`;
    this.#frame(names[0] ?? "");
    scrollTo(0, 0);
    if (!first) {
      this.#heading.focus({ preventScroll: true });
    }
    this.#visit.begin();
  }

  #draw(visit, data) {
    if (visit === this.#visit) {
      show(this.#content, visit.definition.view(data, visit));
    }
  }

  #refused(error) {
    if (error.lost) {
      const since = this.#visit.seenAt ? ` What you see is from ${clock(this.#visit.seenAt)}.` : "";
      this.#connection.classList.add("lost");
      show(this.#connection, `${error.message} Trying again…${since}`);
      return;
    }
    this.#reached();
    if (!this.#visit.seenAt || error.status === 404) {
      show(
        this.#content,
        h(
          "div",
          { class: "card error-card", role: "alert" },
          h("p", {}, error.message),
          h("p", {}, h("a", { href: address([]) }, "To the overview")),
        ),
      );
    } else {
      failed(error.message);
    }
  }

  #reached() {
    if (this.#connection.classList.contains("lost")) {
      this.#connection.classList.remove("lost");
      show(this.#connection);
      done("The broker is reached again.");
    }
  }

  #frame(active) {
    const menu = button("Menu", () => this.#menu(), { kind: "menu" });
    menu.setAttribute("aria-controls", "navigation");
    menu.setAttribute("aria-expanded", "false");
    this.#nav.classList.remove("open");
    const theme = button("◐", () => (switchTheme(), this.#frame(active)), {
      kind: "plain",
      label: `Colours: ${themeName()}. Change them`,
      title: `Colours: ${themeName()}`,
    });
    show(
      this.#header,
      menu,
      h("a", { class: "brand", href: address([]) }, h("img", { src: ICON, alt: "", width: 22, height: 22 }), "BatonMQ"),
      h("span", { class: "room" }),
      theme,
      h("span", { class: "who" }, h("span", { class: "unseen" }, "Logged in as "), h("bdi", {}, this.#session.user)),
      button("Log out", () => this.#ended("left")),
    );
    show(
      this.#nav,
      GROUPS.map(({ title, entries }) => {
        const seen = entries.filter((entry) => may(this.#session, entry.needs));
        return seen.length === 0
          ? null
          : h(
              "div",
              { class: "group", key: title },
              h("h2", {}, title),
              h(
                "ul",
                {},
                seen.map((entry) =>
                  h(
                    "li",
                    {},
                    h(
                      "a",
                      { href: address(entry.names), "aria-current": (entry.names[0] ?? "") === active ? "page" : null },
                      entry.text,
                    ),
                  ),
                ),
              ),
            );
      }),
    );
  }

  #menu() {
    const open = this.#nav.classList.toggle("open");
    const menu = this.#header.querySelector(".menu");
    menu.setAttribute("aria-expanded", String(open));
    if (open) {
      this.#nav.querySelector("a")?.focus();
    }
  }
}
