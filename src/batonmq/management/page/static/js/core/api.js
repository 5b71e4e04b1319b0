// Requests to the broker. Addresses are relative to the page, so that it also works behind a proxy with a prefix.

/** A request that the broker refused, or that never reached it. */
export class ApiError extends Error {
  /** @param {number} status the HTTP status; 0: there was no answer. */
  constructor(status, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }

  get lost() {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

const CSRF_HEADER = "X-CSRF-Token";
const PATIENCE = 30_000;

let csrf = "";

/** Take the token that goes with everything that changes something. */
export function useToken(token) {
  csrf = token ?? "";
}

/** A path of names: each is encoded, so that slashes and percent signs stay part of it. */
export function path(...names) {
  return names.map(segment).join("/");
}

function segment(name) {
  if (name === "." || name === "..") {
    // A browser resolves these, even encoded, and would ask for something else.
    throw new ApiError(400, `A browser cannot address "${name}". Use the command line for it.`);
  }
  return encodeURIComponent(name.toWellFormed ? name.toWellFormed() : name);
}

/** The text of a query, of what is neither empty nor missing. */
export function query(values) {
  const text = new URLSearchParams(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== ""),
  ).toString();
  return text && `?${text}`;
}

export const get = (address, options) => ask("GET", address, undefined, options);
export const post = (address, body = {}) => ask("POST", address, body);
export const put = (address, body = {}) => ask("PUT", address, body);
export const patch = (address, body) => ask("PATCH", address, body);
export const remove = (address, body) => ask("DELETE", address, body);

/** Raises ApiError. Returns what the broker answered; null: nothing. */
async function ask(method, address, body, { signal } = {}) {
  const headers = { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" };
  if (method !== "GET") {
    headers[CSRF_HEADER] = csrf;
  }
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  const patience = AbortSignal.timeout(PATIENCE);
  let response;
  let text;
  try {
    response = await fetch(new URL(`api/${address}`, document.baseURI), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new ApiError(0, patience.aborted ? "The broker did not answer in time." : "The broker cannot be reached.");
  }
  if (!response.ok) {
    throw new ApiError(response.status, explained(response.status, text));
  }
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(response.status, "The answer is not one of the broker's: something stands between.");
  }
}

const MEANINGS = {
  401: "You are not logged in, or your user may not do this.",
  403: "Your user may not do this.",
  404: "It is not there, or is no longer there.",
  405: "The broker does not offer this.",
  409: "It is in use, or there already.",
  413: "That is too large.",
  429: "Too many attempts. Wait a little, then try again.",
  500: "The broker failed at this. Its log says more.",
  503: "The broker cannot do this now.",
};

/** What went wrong in plain words: what the broker says, after what its status means. */
function explained(status, text) {
  let reason = "";
  try {
    const said = JSON.parse(text);
    reason = [said.reason, said.error].find((part) => typeof part === "string" && part) ?? "";
  } catch {
    // An answer that is no JSON explains nothing.
  }
  const meaning = MEANINGS[status] ?? (status < 500 ? "" : `The broker failed at this (status ${status}).`);
  const general = [
    "Object Not Found",
    "Not Found",
    "Not_Authorised",
    "not_authorised",
    "Method Not Allowed",
    "bad_request",
  ];
  if (!reason || general.includes(reason)) {
    return meaning || `The broker did not accept this (status ${status}).`;
  }
  return meaning && status !== 401 ? `${meaning} (${reason})` : reason;
}
