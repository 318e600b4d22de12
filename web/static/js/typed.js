// What a visitor typed is never lost: neither by a reload nor with the connection, and an answer that never came gives
// its question back.

import { on, send, state } from "./bridge.js";

const TYPED = "lacerta-typed";
const ASKED = "lacerta-asked";

const memory = new Map();

export function start() {
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("#question textarea")) keep(TYPED, event.target.value);
  });
  on("asked", ({ text, at, keeps }) => {
    if (state().busy) return;
    keep(ASKED, text);
    if (!at && !keeps) keep(TYPED, "");
    // The keyboard of a phone goes, so that the answer is seen.
    if (matchMedia("(pointer: coarse)").matches) document.activeElement?.blur();
  });
  on("conversation", ({ why, domain, json }) => {
    const { sent, turning = domain } = document.documentElement.dataset;
    // Whoever was faster than the page is heard now, see whole.js.
    const there = ["arrived", "turned"].includes(why);
    if (sent && there && turning !== domain) return;
    delete document.documentElement.dataset.sent;
    if (sent && there) {
      send("ask", { text: sent });
      return;
    }
    if (why === "arrived") {
      const lost = kept(ASKED);
      keep(ASKED, "");
      type(kept(TYPED) || lost, true);
      return;
    }
    // It could not be answered, or what was to be brought back before it could not be.
    const failed = why === "asked" && json && JSON.parse(json).exchanges.at(-1)?.failure;
    if (failed || why === "refused") type(kept(ASKED), true);
    keep(ASKED, "");
  });
}

/** Puts a text into the box of the question; with `onlyEmpty` where there is none yet. */
function type(text, onlyEmpty = false) {
  const box = document.querySelector("#question textarea");
  if (!box || !text || (onlyEmpty && box.value)) return;
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

/** The question that is being answered, or was when the connection was lost. */
export function asked() {
  return state().busy ? kept(ASKED) : "";
}

function keep(key, text) {
  memory.set(key, text);
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // A browser that keeps nothing, or a text too long for it: it holds until the page is left.
  }
}

function kept(key) {
  if (memory.has(key)) return memory.get(key);
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
