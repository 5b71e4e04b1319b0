// Light or dark: as the system has it, until somebody chooses.

const PLACE = "batonmq.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const NAMES = { system: "as the system has it", light: "light", dark: "dark" };

function kept() {
  try {
    return localStorage.getItem(PLACE) ?? "system";
  } catch {
    // A browser that keeps nothing.
    return "system";
  }
}

let theme = NEXT[kept()] ? kept() : "system";

/** Put the chosen theme on the page. */
export function applyTheme() {
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
}

/** Choose the next of system, light and dark. */
export function switchTheme() {
  theme = NEXT[theme];
  try {
    localStorage.setItem(PLACE, theme);
  } catch {
    // It holds until the page is left.
  }
  applyTheme();
}

export const themeName = () => NAMES[theme];
