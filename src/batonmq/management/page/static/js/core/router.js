// Which page the address names. What stands after "#" is a path of encoded names, and a query with the page's own state.

/** The address of a page: `names` are encoded; `state` is what it shows, for instance a search. */
export function address(names, state = {}) {
  const text = new URLSearchParams(
    Object.entries(state).filter(([, value]) => value !== undefined && value !== null && value !== ""),
  ).toString();
  return `#/${names.map(encodeURIComponent).join("/")}${text && `?${text}`}`;
}

/** What the address says: its names, decoded, and the state. */
export function current() {
  const [route, text = ""] = splitOnce(location.hash.replace(/^#\/?/, ""), "?");
  return {
    names: route === "" ? [] : route.split("/").map(decoded),
    state: Object.fromEntries(new URLSearchParams(text)),
  };
}

/** Go to another page. `replace`: without an entry in the browser's history. */
export function go(names, state = {}, { replace = false } = {}) {
  const to = address(names, state);
  if (replace) {
    history.replaceState(null, "", to);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = to;
  }
}

function splitOnce(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
