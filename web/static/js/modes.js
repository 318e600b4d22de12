// The switch between the chat and the search.

import { on } from "./bridge.js";

const KEY = "lacerta-mode";

export function start() {
  const tabs = [...document.querySelectorAll("#modes [role=tab]")];
  if (!tabs.length) {
    // Gradio draws the page a moment later.
    requestAnimationFrame(start);
    return;
  }
  const talk = document.getElementById("talk");
  talk?.setAttribute("role", "tabpanel");
  talk?.setAttribute("aria-labelledby", "mode-chat");
  for (const tab of tabs) tab.addEventListener("click", () => show(tab.dataset.mode));
  document.getElementById("modes").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const place = tabs.indexOf(document.activeElement);
    if (!step || place < 0) return;
    event.preventDefault();
    const next = tabs[(place + step + tabs.length) % tabs.length];
    show(next.dataset.mode);
    next.focus();
  });
  show(kept() === "search" ? "search" : "chat");
  // Whoever opens a conversation wants to read it.
  on("conversation", ({ why }) => {
    if (why === "asked" || (why === "restored" && mode() === "chat")) show("chat");
  });
}

function kept() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    // See show().
    return null;
  }
}

/** "chat" or "search". */
export function mode() {
  return document.documentElement.dataset.mode ?? "chat";
}

/** Shows one of both; modules hear of it by the event `mode` of the document. */
export function show(wanted) {
  const search = document.getElementById("search");
  document.documentElement.dataset.mode = wanted;
  if (search) search.hidden = wanted !== "search";
  for (const tab of document.querySelectorAll("#modes [role=tab]")) {
    const chosen = tab.dataset.mode === wanted;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  try {
    sessionStorage.setItem(KEY, wanted);
  } catch {
    // Where nothing may be kept, the page begins with the chat.
  }
  document.dispatchEvent(new CustomEvent("mode", { detail: wanted }));
}
