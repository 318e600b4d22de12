// The calm bar above the conversation: how the domain stands, and whether the server can be reached.
//
// Gradio's own notes pop up over the page; here they are said in one place. It loads the page anew once a lost server is
// back: what was typed and said is there again (typed.js, conversations.js).

import { comeBack, on, state } from "./bridge.js";
import { language, t } from "./texts.js";

const LOOK = 20_000;
const LOOK_SOON = 4_000;
const SAID = 12_000;
const DISMISSED = "lacerta-without-model";

let known = null;
let lost = false;
let lostAt = 0;
let drawnAt = 0;
let note = "";
let timer = 0;
let dismissed = false;

export function start() {
  on("conversation", ({ why }) => {
    // Whatever was said, somebody said it.
    lost = false;
    if (["arrived", "turned"].includes(why)) look();
    else draw();
  });
  on("drawn", () => {
    drawnAt = performance.now();
    draw();
  });
  addEventListener("online", look);
  addEventListener("offline", () => missing());
  document.addEventListener("visibilitychange", () => document.hidden || look());
  new MutationObserver(takeNotes).observe(document.body, { childList: true, subtree: true });
}

async function look() {
  clearTimeout(timer);
  const { domain, busy } = state();
  if (domain) {
    try {
      const response = await fetch(`/state/${encodeURIComponent(domain)}`, { signal: AbortSignal.timeout(8_000) });
      known = response.ok ? await response.json() : null;
      // Whatever it says, it answers; only a gateway says that nobody does.
      if ([502, 503, 504].includes(response.status)) missing();
      else found();
    } catch {
      missing();
    }
  }
  draw();
  const soon = lost || busy || (known && (known.index !== "ready" || known.reading || known.opening));
  if (!document.hidden) timer = setTimeout(look, soon ? LOOK_SOON : LOOK);
}

function missing() {
  if (!lost) lostAt = performance.now();
  lost = true;
  draw();
}

function found() {
  if (!lost) return;
  lost = false;
  say(t("chat_state_back"));
  // Where Gradio noticed it, it loads the page anew; what was written on meanwhile was never interrupted.
  if (!state().busy || drawnAt < lostAt) comeBack();
}

function say(text) {
  note = text;
  draw();
  setTimeout(() => {
    if (note === text) note = "";
    draw();
  }, SAID);
}

// The notes of Gradio, as they come.
function takeNotes(records) {
  for (const { addedNodes } of records) {
    for (const node of addedNodes) {
      const toast = node.nodeType === 1 && (node.matches(".toast-body") ? node : node.querySelector(".toast-body"));
      if (!toast) continue;
      if (toast.textContent.includes("Connection Lost")) missing();
      else say(toast.querySelector(".toast-text")?.textContent.trim() || toast.textContent.trim());
      look();
    }
  }
}

function draw() {
  const bar = document.getElementById("standing");
  if (!bar) return;
  const [kind, text, command] = standing();
  const wanted = [kind, text, command].join("\n");
  if (bar.dataset.said === wanted) return;
  bar.dataset.said = wanted;
  bar.className = kind;
  bar.replaceChildren();
  if (!text) return;
  const line = document.createElement("p");
  line.textContent = text;
  if (command) {
    const code = document.createElement("code");
    code.textContent = command;
    line.append(" ", code);
  }
  bar.append(line);
  if (kind === "quiet") {
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = t("chat_state_dismiss");
    close.addEventListener("click", () => {
      dismiss();
      draw();
    });
    bar.append(close);
  }
}

/** What is to be said now: how it looks, the words, the command that helps. The gravest comes first. */
function standing() {
  if (lost) return ["bad", t(navigator.onLine ? "chat_state_lost" : "chat_state_offline"), ""];
  if (note) return ["note", note, ""];
  if (!known) return ["", "", ""];
  const { index, reading, created, opening, commands = {} } = known;
  if (index === "none") {
    return reading ? ["note", t("chat_state_first"), ""] : ["warn", t("chat_state_none"), commands.ingest ?? ""];
  }
  if (index === "broken") return ["warn", t("chat_state_broken"), commands.ingest ?? ""];
  if (index === "opening") return ["note", t("chat_state_opening"), ""];
  if (reading) return ["note", t("chat_state_reading", { date: when(created) }), ""];
  if (opening) return ["note", t("chat_state_model"), ""];
  if (commands.model && !document.querySelector("#chat .exchange") && !isDismissed()) return ["quiet", t("chat_state_extractive"), commands.model];
  return ["", "", ""];
}

function when(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.valueOf())) return iso;
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(date);
}

function dismiss() {
  dismissed = true;
  try {
    localStorage.setItem(DISMISSED, "1");
  } catch { /* blocked or full: it holds until the page is left */ }
}

function isDismissed() {
  try {
    return dismissed || Boolean(localStorage.getItem(DISMISSED));
  } catch {
    return dismissed;
  }
}
