// Elements made and brought up to date. Text goes in as text nodes alone: nothing here, or anywhere on the page, reads
// data as HTML.

/** The address of the page's mark. */
export const ICON = new URL("../../icon.svg", import.meta.url).href;

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = Symbol("handlers");
const KEY = Symbol("key");
const KEPT = Symbol("kept");

/**
 * Make an HTML element. `properties`: attributes; `on`: handlers by event; `key`: what tells it from its siblings;
 * `kept`: once shown, it is left as it is, for instance a form in which somebody writes.
 */
export function h(tag, properties, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** Make an SVG element. */
export function s(tag, properties, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name === "on") {
      listen(element, value);
    } else if (name === "key") {
      element[KEY] = String(value);
    } else if (name === "kept") {
      element[KEPT] = value;
    } else if (name === "value") {
      element.value = value;
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...nodes(children));
  return element;
}

/** What may stand among children as a flat list of nodes: nodes, texts, numbers, lists; null and false are left out. */
export function nodes(children) {
  return [children]
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

function listen(element, handlers) {
  element[HANDLERS] = handlers;
  for (const type of Object.keys(handlers)) {
    element.addEventListener(type, dispatch);
  }
}

// One listener for all: an element that stays over an update gets the new handlers in place of the old.
function dispatch(event) {
  event.currentTarget[HANDLERS]?.[event.type]?.(event);
}

/**
 * Make the children of `parent` what `children` are, and keep the elements that are there already, so that the focus, a
 * selection, what was typed and what was opened stay.
 */
export function show(parent, ...children) {
  reconcile(parent, nodes(children));
}

function reconcile(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.childNodes) {
    if (child[KEY] !== undefined) {
      keyed.set(child[KEY], child);
    }
  }
  let next = parent.firstChild;
  for (const child of wanted) {
    let old = child[KEY] === undefined ? next : keyed.get(child[KEY]);
    if (old && child[KEY] === undefined && old[KEY] !== undefined) {
      old = undefined;
    }
    if (old && alike(old, child)) {
      if (old !== next) {
        parent.insertBefore(old, next);
      }
      update(old, child);
      next = old.nextSibling;
    } else {
      parent.insertBefore(child, next);
    }
  }
  while (next) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

function alike(old, child) {
  return old.nodeType === child.nodeType && old.nodeName === child.nodeName && old[KEY] === child[KEY];
}

// What a user changes by hand, and an update leaves alone.
const THEIRS = new Set(["open", "value", "checked"]);

function update(old, child) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== child.data) {
      old.data = child.data;
    }
    return;
  }
  if (old[KEPT] && child[KEPT]) {
    return;
  }
  for (const { name, value } of child.attributes) {
    if (!THEIRS.has(name) && old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }
  for (const { name } of [...old.attributes]) {
    if (!THEIRS.has(name) && !child.hasAttribute(name)) {
      old.removeAttribute(name);
    }
  }
  if (old[HANDLERS] || child[HANDLERS]) {
    for (const type of Object.keys(child[HANDLERS] ?? {})) {
      old.addEventListener(type, dispatch);
    }
    old[HANDLERS] = child[HANDLERS];
  }
  if (old.nodeName !== "TEXTAREA") {
    reconcile(old, [...child.childNodes]);
  }
  if (old.nodeName === "SELECT" && old !== document.activeElement) {
    old.value = child.value;
  }
}
