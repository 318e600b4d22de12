// What Gradio leaves out of its own parts, for those who hear the page or go through it by keyboard.

import { t } from "./texts.js";

// What scrolls must be reached by keyboard, and what is reached must say what it is. What is to be heard must be there
// before its words are: a region that comes with them stays unheard.
const PARTS = {
  "#chat": (part) => ({ role: "region", tabindex: scrolls(part), "aria-label": t("conversation") }),
  "#sources": (part) => ({ role: "region", tabindex: scrolls(part), "aria-label": t("sources") }),
  "#domain": () => ({ "aria-label": t("domain") }),
  // Under names of their own they would be no group: the arrow keys would not lead from one to the next.
  "#domain input": () => ({ name: "domain" }),
  "#said .prose": () => ({ role: "status" }),
};

function scrolls(part) {
  return part.scrollHeight > part.clientHeight + 1 ? "0" : null;
}

function mend() {
  for (const [selector, attributes] of Object.entries(PARTS)) {
    for (const part of document.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes(part))) {
        if (value === null) part.removeAttribute(name);
        else if (part.getAttribute(name) !== value) part.setAttribute(name, value);
      }
    }
  }
}

export function start() {
  let asked = false;
  const soon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      mend();
    });
  };
  new MutationObserver(soon).observe(document.body, { childList: true, subtree: true });
  addEventListener("resize", soon);
  soon();
}
