// Who is logged in, and what the user may do.

import { get, post, remove, useToken } from "./api.js";

// A tag, and those that include it.
const INCLUDED_BY = {
  management: ["management", "monitoring", "policymaker", "administrator"],
  monitoring: ["monitoring", "administrator"],
  policymaker: ["policymaker", "administrator"],
  administrator: ["administrator"],
};

// Notes that there may be a session: the cookie itself is not for scripts to see. Without the note nothing is asked,
// and a browser that comes for the first time has no refusal in its console.
const PLACE = "batonmq.session";

function note(isThere) {
  try {
    if (isThere) {
      localStorage.setItem(PLACE, "1");
    } else {
      localStorage.removeItem(PLACE);
    }
  } catch {
    // A browser that keeps nothing: the user logs in again after a reload.
  }
}

/** Whether there may be a session from before. */
export function mayBeLoggedIn() {
  try {
    return localStorage.getItem(PLACE) === "1";
  } catch {
    return false;
  }
}

/** The session that is there from before. Raises ApiError; status 401: there is none. */
export async function resume() {
  try {
    return taken(await get("baton/session"));
  } catch (error) {
    if (error.status === 401) {
      note(false);
    }
    throw error;
  }
}

/** Raises ApiError; status 401: the name or the password is wrong. */
export async function logIn(name, password) {
  return taken(await post("baton/session", { name, password }));
}

export async function logOut() {
  note(false);
  await remove("baton/session");
  useToken("");
}

/** Whether the session has ended: an answer of 401 may also mean that the user may not do something. */
export async function isOver() {
  try {
    await resume();
    return false;
  } catch (error) {
    return error.status === 401;
  }
}

function taken(session) {
  useToken(session.csrf);
  note(true);
  return session;
}

/** Whether the user has the tag `need`, or one that includes it. */
export function may(session, need) {
  return !need || INCLUDED_BY[need].some((tag) => session.tags.includes(tag));
}
