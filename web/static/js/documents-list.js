// The visitor's own documents as they are shown above the question: a button, and each document with how far it is.

import { element, icon } from "./elements.js";
import { t } from "./texts.js";

const MOST_BYTES = 1e6;
/** What the file picker offers; whatever else is dropped the server judges by what is in it. */
const KINDS = ".pdf,.csv,.tsv,.txt,.md,.docx,.pptx,.xlsx,.xls,.ods,.odt,.odp,.rtf,.html,.htm,.epub,.eml,.json,.hwpx";

/** The parts; `add(files)` and `remove(key)` are called for what the visitor does. */
export function build({ add, remove }) {
  const input = element("input", { type: "file", multiple: true, accept: KINDS, tabindex: "-1", "aria-hidden": "true" });
  const button = element("button", { type: "button", class: "own-add" }, icon("clip", 16), element("span", {}, t("own_add")));
  const list = element("ul", { class: "own-list", "aria-label": t("own_list") });
  const note = element("p", { class: "own-note" });
  const alert = element("p", { class: "own-alert", role: "alert" });
  const said = element("p", { class: "unseen", role: "status" });
  const bar = element("div", { class: "own-bar", role: "group", "aria-label": t("own_list") }, button, input, list, alert, note, said);
  const veil = element("div", { class: "own-drop", "aria-hidden": "true" }, element("p", {}, t("own_drop")));
  input.hidden = veil.hidden = true;
  button.addEventListener("click", () => input.click());
  list.addEventListener("click", ({ target }) => {
    const row = target.closest(".own-remove")?.closest("li");
    if (row) remove(row.dataset.key);
  });
  input.addEventListener("change", () => {
    add([...input.files]);
    // The same file can be chosen again.
    input.value = "";
  });

  function draw(rows, rules, message, ready) {
    const held = list.contains(document.activeElement) ? document.activeElement.closest("li")?.dataset.key : null;
    const at = [...list.children].findIndex((item) => item.dataset.key === held);
    const shown = new Map([...list.children].map((item) => [item.dataset.key, item]));
    list.replaceChildren(...rows.map((row) => fill(shown.get(row.key) ?? item(row), row)));
    list.hidden = !rows.length;
    button.hidden = !rules?.uploads || !ready;
    bar.hidden = button.hidden && !rows.length;
    button.title = rules?.uploads ? limits(rules) : "";
    note.textContent = rows.length && rules?.uploads ? t("own_kept", { count: rules.hours }) : "";
    if (alert.textContent !== message) alert.textContent = message;
    if (held && !list.contains(document.activeElement)) (list.children[Math.min(at, rows.length - 1)]?.querySelector("button") ?? button).focus();
  }

  const say = (text) => { said.textContent = text; };
  // On a phone it may be out of sight.
  const show = () => list.lastElementChild?.scrollIntoView({ block: "nearest" });
  return { bar, veil, draw, say, show };
}

/** What is taken in, in a sentence. */
export function limits({ files, bytes, pages }) {
  return t("own_limits", { files, size: size(bytes), pages });
}

/** Bytes as the language writes them. */
function size(bytes) {
  const unit = bytes >= MOST_BYTES ? "megabyte" : "kilobyte";
  const value = bytes / (unit === "megabyte" ? 1e6 : 1e3);
  const options = { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 };
  return new Intl.NumberFormat(document.documentElement.lang, options).format(value);
}

/** How far a row is, in words. */
export function stateOf(row, rules) {
  if (row.code) return errorOf(row.code, rules);
  if (row.state === "ready") return t("own_ready", { count: row.pages });
  return t(`own_${row.state}`, { percent: Math.floor(row.share * 100) });
}

/** Why something was not taken in. */
export function errorOf(code, rules) {
  const { files = 0, bytes = 0, pages = 0 } = rules ?? {};
  return t(`own_error_${code}`, { files, size: size(bytes), pages });
}

function item(row) {
  const bar = element("progress", { max: "1" });
  const close = element("button", { type: "button", class: "own-remove" }, icon("close", 16));
  const made = element("li", {}, element("span", { class: "own-name" }), element("span", { class: "own-state" }), bar, close);
  made.dataset.key = row.key;
  return made;
}

function fill(made, row) {
  const [name, state, bar, close] = made.children;
  const open = !row.code && row.state !== "ready";
  made.classList.toggle("failed", Boolean(row.code));
  made.classList.toggle("open", open);
  if (name.textContent !== row.name) name.textContent = name.title = row.name;
  if (state.textContent !== row.words) state.textContent = row.words;
  bar.hidden = !open;
  if (row.share) bar.value = row.share;
  else bar.removeAttribute("value");
  bar.setAttribute("aria-label", row.name);
  close.setAttribute("aria-label", t("own_remove", { name: row.name }));
  // Disabled, it would lose the focus.
  close.setAttribute("aria-disabled", String(Boolean(row.removing)));
  return made;
}
