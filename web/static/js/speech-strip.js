// The strip above the question box that tells of what is being read aloud or listened to, and the question whether
// something may leave the device.

import { element } from "./elements.js";
import { t } from "./texts.js";

const KEY = "lacerta-speech";
let agreed = null;

/** What the visitor agreed to: {voice?: true, microphone?: true}. */
export function consents() {
  if (!agreed) {
    try {
      agreed = JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      agreed = {};
    }
  }
  return agreed;
}

export function consent(name, given) {
  agreed = { ...consents(), [name]: given };
  if (!given) delete agreed[name];
  try {
    localStorage.setItem(KEY, JSON.stringify(agreed));
  } catch {
    // Blocked: it holds until the page is left.
  }
}

export function button(label, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, label);
}

/** A choice among [value, name] pairs. */
export function choice(label, options, chosen, onchange) {
  const select = element("select", { "aria-label": label, onchange: () => onchange(select.value) });
  for (const [value, name] of options) select.append(element("option", { value, selected: value === chosen }, name));
  return select;
}

const said = element("p", { class: "unseen", role: "status", id: "speech-said" });
const text = element("p", { class: "speech-text" });
const controls = element("div", { class: "speech-controls" });
const sign = element("span", { class: "speech-sign", "aria-hidden": true }, element("i"), element("i"), element("i"));
const strip = element("section", { id: "speech", "aria-label": t("speech_strip"), hidden: true }, sign, text, controls);

// The strip stands on the question box, however many lines that has.
const heights = new ResizeObserver(([entry]) => strip.style.setProperty("--entry", `${entry.target.offsetHeight}px`));

/** Puts the strip where it belongs, again where it was lost. */
export function place() {
  const entry = document.getElementById("entry");
  if (entry && strip.nextElementSibling !== entry) {
    entry.before(said, strip);
    heights.disconnect();
    heights.observe(entry);
  }
  return Boolean(entry);
}

/** `kind`: "reading", "paused", "listening", "waiting" or "failed". */
export function show(kind, words, nodes = []) {
  place();
  const held = [...controls.children].indexOf(document.activeElement);
  strip.dataset.kind = kind;
  strip.hidden = false;
  text.textContent = words;
  said.textContent = words;
  controls.replaceChildren(...nodes);
  // Whoever works by keyboard does not lose the place where a control was exchanged for another.
  if (held >= 0) (controls.children[held] ?? controls.children[0])?.focus();
}

export function hide(words = "") {
  const held = strip.contains(document.activeElement);
  strip.hidden = true;
  said.textContent = words;
  if (held) document.querySelector("#question textarea")?.focus();
}

/** Resolves with the name of the answer that was chosen, with "" where it was turned down. */
export function ask(title, paragraphs, answers) {
  return new Promise((resolve) => {
    const dialog = element("dialog", { class: "speech-dialog", "aria-labelledby": "speech-title" });
    const buttons = Object.entries(answers).map(([name, label]) =>
      button(label, () => dialog.close(name), name === Object.keys(answers)[0] ? { class: "speech-first" } : {}),
    );
    dialog.append(
      element("h2", { id: "speech-title" }, title),
      ...paragraphs.map((words) => element("p", {}, words)),
      element("div", { class: "speech-answers" }, ...buttons, button(t("speech_cancel"), () => dialog.close(""))),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
