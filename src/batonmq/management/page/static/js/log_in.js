// The log-in.

import { h, ICON } from "./core/dom.js";
import { logIn } from "./core/session.js";
import { field, valuesOf } from "./parts/fields.js";

/** Ask for name and password in `place`, and call `open(session)`; `reason` says why, if there is something to say. */
export function logInPage(place, reason, open) {
  document.title = "Log in – BatonMQ";
  const alert = h("p", { class: "error", role: "alert" }, reason);
  const send = h("button", { type: "submit", class: "primary" }, "Log in");
  const form = h(
    "form",
    { class: "card log-in", on: { submit: (event) => submitted(event) } },
    h("h1", {}, h("img", { src: ICON, alt: "", width: 32, height: 32 }), "BatonMQ"),
    alert,
    field({ name: "name", label: "Name", required: true, complete: "username" }),
    field({ name: "password", label: "Password", type: "password", complete: "current-password" }),
    send,
  );

  async function submitted(event) {
    event.preventDefault();
    const { name, password } = valuesOf(form);
    send.disabled = true;
    alert.textContent = "";
    try {
      open(await logIn(name, password));
    } catch (error) {
      alert.textContent =
        error.status === 401
          ? "This name and password are not known, or the user has none of the tags that open this page."
          : error.message;
      send.disabled = false;
      form.elements.password.select();
    }
  }

  place.replaceChildren(h("main", { class: "log-in-place" }, form));
  form.elements.name.focus();
}
