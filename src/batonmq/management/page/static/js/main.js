// Where the page begins: the log-in, and all else behind it.

import { applyTheme } from "./core/theme.js";
import { logOut, mayBeLoggedIn, resume } from "./core/session.js";
import { logInPage } from "./log_in.js";
import { Shell } from "./shell.js";

const place = document.getElementById("page");

function open(session) {
  const shell = new Shell(place, session, async (why) => {
    shell.close();
    if (why === "left") {
      await logOut().catch(() => {});
    }
    ask(why === "expired" ? "Your session has ended. Log in again." : "");
  });
  shell.open();
}

function ask(reason) {
  logInPage(place, reason, open);
}

applyTheme();
if (mayBeLoggedIn()) {
  try {
    open(await resume());
  } catch (error) {
    ask(error.status === 401 ? "" : error.message);
  }
} else {
  ask("");
}
