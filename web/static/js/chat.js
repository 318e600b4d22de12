// What the chat does by itself: it follows a citation to its passage, keeps the newest words in sight and says aloud,
// to who can't see it, what was answered.

import * as actions from "./actions.js";
import { on } from "./bridge.js";
import * as modes from "./modes.js";
import * as standing from "./standing.js";
import * as typed from "./typed.js";

export function start() {
  for (const part of [typed, actions, modes, standing]) part.start();
  document.addEventListener("click", followCitation);
  document.addEventListener("click", rememberFolded);
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("a.skip")) return;
    event.preventDefault();
    document.querySelector("#question textarea")?.focus();
  });
  on("conversation", announce);
  on("conversation", followDomain);
  on("drawn", unfold);
  on("drawn", keepInSight);
  on("drawn", keepFocus);
  for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    document.addEventListener(kind, (event) => {
      if (kind !== "keydown" || event.target.closest?.("#chat")) kept = false;
    }, { passive: true });
  }
}

export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function followCitation(event) {
  const link = event.target.closest?.('a.citation[href^="#"]');
  if (!link) return;
  // The page has a base address, against which a bare fragment would load the page anew.
  event.preventDefault();
  const passage = document.getElementById(link.getAttribute("href").slice(1));
  if (!passage) return;
  const folded = passage.closest("details");
  if (folded) folded.open = true;
  passage.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "center" });
  passage.focus({ preventScroll: true });
  for (const other of document.querySelectorAll(".passage.shown")) other.classList.remove("shown");
  passage.classList.add("shown");
}

// The button that was pressed gives its place to the other one.
let pressed = null;

document.addEventListener("click", (event) => {
  pressed = event.target.closest?.("#send, #stop")?.id ?? null;
});

function keepFocus() {
  if (!pressed || document.activeElement !== document.body) return;
  const other = document.getElementById(pressed === "send" ? "stop" : "send");
  if (!other?.checkVisibility()) return;
  other.focus();
  pressed = other.id;
}

// A new question is kept at the top while its answer grows, until the visitor moves the view.
let seen = 0;
let kept = false;

function keepInSight() {
  const chat = document.getElementById("chat");
  const exchanges = chat?.querySelectorAll(".exchange") ?? [];
  const last = exchanges[exchanges.length - 1];
  if (exchanges.length !== seen && last) {
    kept = true;
    document.getElementById("sources")?.scrollTo({ top: 0 });
  }
  if (kept && last) {
    const [within, whole] = [last, chat].map((element) => element.getBoundingClientRect().top);
    if (getComputedStyle(chat).overflowY !== "visible") chat.scrollBy(0, within - whole);
    // On a phone the page itself is what moves.
    else last.scrollIntoView({ block: "start" });
    if (last.classList.contains("ended")) kept = false;
  }
  seen = exchanges.length;
}

// What was unfolded stays so when its exchange is drawn anew.
const unfolded = new Set();

function rememberFolded(event) {
  const details = event.target.closest?.("summary")?.closest("details[data-key]");
  if (!details) return;
  if (details.open) unfolded.delete(details.dataset.key);
  else unfolded.add(details.dataset.key);
}

function unfold(element) {
  for (const details of element.querySelectorAll("details[data-key]")) {
    const open = unfolded.has(details.dataset.key);
    if (details.open !== open) details.open = open;
  }
}

// On a phone the domains stand in one row, of which a part is seen.
function showDomain() {
  const chosen = document.querySelector("#domain label.selected");
  const row = chosen?.parentElement;
  if (row) row.scrollLeft += chosen.getBoundingClientRect().left - row.getBoundingClientRect().left - 14;
}

// Told of first, drawn some time later.
let followed = null;

function followDomain() {
  const domains = document.getElementById("domain");
  if (!domains || domains === followed) return;
  followed = domains;
  // It is seen whole, whenever it is drawn and as wide as it becomes with its letters.
  const sizes = new ResizeObserver(showDomain);
  const follow = () => {
    sizes.disconnect();
    for (const label of domains.querySelectorAll("label")) sizes.observe(label);
  };
  new MutationObserver(follow).observe(domains, { subtree: true, childList: true, characterData: true, attributeFilter: ["class"] });
  follow();
}

function announce({ why, count }) {
  // On a phone the keyboard would cover half of the page.
  if (why === "arrived" && document.activeElement === document.body && matchMedia("(min-width: 861px) and (pointer: fine)").matches) {
    document.querySelector("#question textarea")?.focus();
  }
  if (why !== "asked") {
    if (why !== "stopped") unfolded.clear();
    return;
  }
  const text = document.querySelector(`.exchange[data-number="${count}"] .answer .text`);
  const region = document.getElementById("announced");
  if (text && region) {
    region.lang = text.lang;
    region.textContent = text.innerText;
  }
}
