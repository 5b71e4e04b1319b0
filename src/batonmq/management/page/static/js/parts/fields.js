// Fields of forms: label, hint and input belong together, and are read as values.

import { h } from "../core/dom.js";

let serial = 0;

/**
 * A field. `type`: text (default), number, password, search, select (`options`: texts, or pairs of value and text),
 * area, check, file. `hint` says in a line what belongs in it.
 */
export function field(description) {
  serial += 1;
  const id = `field-${serial}`;
  const hint = description.hint ? h("p", { class: "hint", id: `${id}-hint` }, description.hint) : null;
  const input = inputOf(description, {
    id,
    name: description.name,
    required: description.required,
    readonly: description.readonly,
    "aria-describedby": hint && hint.id,
  });
  const label = h("label", { for: id }, description.label);
  return description.type === "check"
    ? h("div", { class: "field check" }, input, label, hint)
    : h("div", { class: description.wide ? "field wide" : "field" }, label, input, hint);
}

function inputOf(
  { type = "text", options = [], value, min, max, step, placeholder, rows = 6, accept, complete },
  common,
) {
  switch (type) {
    case "select":
      return h(
        "select",
        common,
        options.map((option) => {
          const [key, text] = Array.isArray(option) ? option : [option, option];
          return h("option", { value: key, selected: key === value }, text);
        }),
      );
    case "area":
      return h("textarea", { ...common, rows, spellcheck: "false", value: value ?? "" });
    case "check":
      return h("input", { ...common, type: "checkbox", checked: value === true });
    case "file":
      return h("input", { ...common, type: "file", accept });
    case "number":
      return h("input", {
        ...common,
        type,
        min,
        max,
        step: step ?? 1,
        placeholder,
        inputmode: "numeric",
        value: value ?? "",
      });
    default:
      return h("input", {
        ...common,
        type,
        placeholder,
        value: value ?? "",
        spellcheck: "false",
        autocapitalize: "none",
        autocomplete: complete ?? "off",
      });
  }
}

/** What a form holds: texts; numbers, undefined where nothing stands; true or false; files. */
export function valuesOf(form) {
  const values = {};
  for (const input of form.elements) {
    if (!input.name) {
      continue;
    }
    if (input.type === "checkbox") {
      values[input.name] = input.checked;
    } else if (input.type === "number") {
      values[input.name] = input.value === "" ? undefined : Number(input.value);
    } else if (input.type === "file") {
      values[input.name] = input.files[0];
    } else {
      values[input.name] = input.value;
    }
  }
  return values;
}

/** A text of JSON as an object; empty: none. Raises an Error that says what is wrong with it. */
export function objectOf(text, what) {
  if (text.trim() === "") {
    return {};
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: this is not JSON (${error.message}).`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what}: an object is wanted, such as {"name": "value"}.`);
  }
  return value;
}
