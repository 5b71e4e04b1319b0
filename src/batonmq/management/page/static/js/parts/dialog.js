// Dialogs: forms, and questions before something is destroyed. The browser keeps the focus inside and gives it back.

import { h } from "../core/dom.js";
import { field, valuesOf } from "./fields.js";
import { clearErrors, done } from "./notices.js";

let serial = 0;

/**
 * Open a dialog with a form, and close it when `submit(values)` has succeeded; what it throws is shown in the dialog.
 *
 * `title`, `lines` (texts or nodes above the fields), `fields`, `confirm` (the button's text), `danger` (something is
 * lost), `typed` (a name that must be typed before the button works), `said` (the notice afterwards, or a function of
 * what `submit` returned). Resolves to whether it was done.
 */
export function openDialog({ title, lines = [], fields = [], confirm, danger = false, typed, submit, said }) {
  serial += 1;
  const id = `dialog-${serial}`;
  const alert = h("p", { class: "error", role: "alert" });
  const button = h("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm);
  const cancel = h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
  const typing = typed === undefined ? null : typingField(typed, button);
  const form = h(
    "form",
    { method: "dialog", novalidate: false, on: { submit: (event) => confirmed(event) } },
    h("h2", { id: `${id}-title` }, title),
    h(
      "div",
      { class: "dialog-body" },
      lines.map(asParagraph),
      fields.map((one) => (one instanceof Node ? one : field(one))),
      typing,
      alert,
    ),
    h("div", { class: "buttons" }, cancel, button),
  );
  const dialog = h("dialog", { "aria-labelledby": `${id}-title`, class: danger ? "destroys" : null }, form);
  let succeeded = false;

  async function confirmed(event) {
    event.preventDefault();
    if (button.disabled) {
      return;
    }
    alert.textContent = "";
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      const result = await submit(valuesOf(form));
      succeeded = true;
      dialog.close();
      clearErrors();
      const text = typeof said === "function" ? said(result) : said;
      if (text) {
        done(text);
      }
    } catch (error) {
      alert.textContent = error.message;
      button.disabled = false;
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(succeeded);
    });
    dialog.showModal();
    if (danger && !typing) {
      // Enter alone destroys nothing.
      cancel.focus();
    } else {
      form.querySelector("input:not([readonly]), select, textarea")?.focus();
    }
  });
}

function asParagraph(line) {
  return line instanceof Node && line.nodeType === Node.ELEMENT_NODE && line.nodeName !== "BDI"
    ? line
    : h("p", {}, line);
}

function typingField(name, button) {
  button.disabled = true;
  const box = field({
    name: "typed",
    label: "Type the name to go on",
    hint: `${name}`,
  });
  box.classList.add("typed");
  const input = box.querySelector("input");
  input.addEventListener("input", () => {
    button.disabled = input.value !== name;
  });
  return box;
}
