// The list of conversations as it is seen and used: beside the chat, in a drawer where there is no room for that.
// Knows nothing of where conversations are kept: `actions` does what is asked for.

import { byDay, moment } from "./conversations-days.js";
import { element, icon } from "./elements.js";
import { language, t } from "./texts.js";

const NARROW = matchMedia("(max-width: 1099px)");
const HIDDEN = "lacerta-side-hidden";
const LONGEST_NAME = 200;

export class Panel {
  #actions;
  #all = [];
  #facts = {};
  #query = "";
  #active = "";
  #editing = null;
  #noted = new Map();
  #parts = {};

  /** `actions` are open(id), begin(), rename(id, name), remove(id), removeAll(), importFiles(files), exportAll(). */
  constructor(actions) {
    this.#actions = actions;
    this.#build();
    this.#wait();
    NARROW.addEventListener("change", () => this.#place());
    document.addEventListener("visibilitychange", () => document.hidden || this.#draw());
  }

  /** Shows conversations, the newest first. `shown` is the id of the one in the chat, `title(domain)` its name. */
  draw(all, facts) {
    this.#all = all;
    this.#facts = facts;
    this.#draw();
  }

  /** A sentence above the list that stays: `name` is what it is about, an empty text takes it away. */
  note(name, text, ...buttons) {
    // It is said once.
    if (this.#noted.get(name) === text) return;
    this.#noted.set(name, text);
    this.#parts.notes.querySelector(`[data-note="${name}"]`)?.remove();
    if (!text) return;
    const close = this.#button("conversations_dismiss", "close", () => close.closest(".note").remove(), "icon");
    const more = buttons.map(({ label, run }) => this.#button(label, "", run));
    const children = [element("p", { text }), element("div", { class: "row-of-buttons" }, ...more), close];
    this.#parts.notes.append(element("div", { class: "note", "data-note": name }, ...children));
  }

  /** Says a sentence; with an action it can be taken back. */
  say(text, action) {
    this.#parts.said.replaceChildren();
    this.#parts.taken.replaceChildren();
    if (!text) return;
    this.#parts.said.append(element("p", { text }));
    const close = this.#button("conversations_dismiss", "close", () => this.say(""), "icon");
    if (action) this.#parts.taken.append(this.#button(action.label, "", action.run));
    this.#parts.taken.append(close);
  }

  close() {
    if (this.#parts.drawer.open) this.#parts.drawer.close();
  }

  /** Focuses a conversation of the list, what is above it where there is none. */
  focus(id) {
    const row = this.#row(id) ?? this.#parts.list.querySelector(".row");
    (row?.querySelector(".name") ?? this.#parts.begin).focus();
  }

  /** The conversation behind or else before another one in the list. */
  neighbour(id) {
    const rows = [...this.#parts.list.querySelectorAll(".row")];
    const at = rows.findIndex((row) => row.dataset.id === id);
    return (rows[at + 1] ?? rows[at - 1])?.dataset.id ?? "";
  }

  #build() {
    const parts = this.#parts;
    parts.begin = this.#button("clear", "plus", () => this.#actions.begin(), "begin");
    parts.search = element("input", {
      type: "search", "aria-label": t("conversations_search"), placeholder: t("conversations_search"),
      autocomplete: "off", spellcheck: "false", maxlength: String(LONGEST_NAME),
    });
    parts.search.addEventListener("input", () => {
      this.#query = folded(parts.search.value);
      this.#draw();
    });
    parts.search.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      this.focus("");
    });
    parts.notes = element("div", { class: "notes" });
    parts.list = element("div", { class: "list" });
    parts.list.addEventListener("keydown", (event) => this.#key(event));
    parts.said = element("div", { role: "status" });
    parts.taken = element("div", { class: "row-of-buttons" });
    parts.file = element("input", { type: "file", accept: ".json,application/json", multiple: "", hidden: "" });
    parts.file.addEventListener("change", async () => {
      await this.#actions.importFiles([...parts.file.files]);
      parts.file.value = "";
    });
    parts.exportAll = this.#button("conversations_export", "", () => this.#actions.exportAll());
    parts.removeAll = this.#button("conversations_delete_all", "", () => this.#actions.removeAll());
    const importing = this.#button("conversations_import", "", () => parts.file.click());
    parts.where = element("p", { class: "where", text: t("conversations_where") });
    const foot = element("div", { class: "row-of-buttons" }, importing, parts.exportAll, parts.removeAll, parts.file);
    parts.close = this.#button("conversations_close", "close", () => this.close(), "icon close");
    const title = element("h2", { text: t("chat_conversations") });
    parts.panel = element("div", { class: "conversations" },
      element("div", { class: "head" }, title, parts.close), parts.begin, parts.search, parts.notes, parts.list,
      element("div", { class: "told" }, parts.said, parts.taken),
      element("div", { class: "foot" }, foot, parts.where));
    parts.drawer = element("dialog", { id: "conversations-drawer", "aria-label": t("chat_conversations") });
    // A click beside the drawer is one on the dialog itself.
    parts.drawer.addEventListener("click", (event) => event.target === parts.drawer && this.close());
    parts.drawer.addEventListener("close", () => this.#tell());
    document.body.append(parts.drawer);
    parts.toggle = this.#button("chat_conversations", "side", () => this.#toggle(), "icon");
    parts.toggle.id = "conversations-toggle";
  }

  /** The page is drawn by a script of its own, some time after this one. */
  #wait() {
    this.#place();
    if (!this.#parts.toggle.isConnected) requestAnimationFrame(() => this.#wait());
  }

  /** Puts the panel where there is room for it now; whatever the page drew anew has lost it. */
  #place() {
    const { drawer, panel, toggle } = this.#parts;
    const bar = document.getElementById("bar");
    const side = document.getElementById("conversations");
    if (bar && toggle.parentElement !== bar) bar.prepend(toggle);
    const place = NARROW.matches ? drawer : side;
    if (place && panel.parentElement !== place) {
      this.close();
      place.append(panel);
    }
    document.documentElement.toggleAttribute("data-side-hidden", remembered() === "yes");
    this.#tell();
  }

  #toggle() {
    const { drawer, search } = this.#parts;
    if (NARROW.matches) {
      drawer.showModal();
      // On a phone the keyboard would cover the list.
      (matchMedia("(pointer: coarse)").matches ? this.#parts.close : search).focus();
    } else {
      remember(document.documentElement.hasAttribute("data-side-hidden") ? "" : "yes");
      this.#place();
    }
    this.#tell();
  }

  #tell() {
    const open = NARROW.matches ? this.#parts.drawer.open : remembered() !== "yes";
    this.#parts.toggle.setAttribute("aria-expanded", String(open));
  }

  #draw() {
    this.#place();
    // What is being typed is not taken away.
    if (this.#editing) return;
    const { list, exportAll, removeAll } = this.#parts;
    const focused = list.contains(document.activeElement) ? document.activeElement.closest(".row")?.dataset.id : null;
    const control = document.activeElement?.dataset?.control;
    const found = this.#all.filter(({ name, edited }) => folded(`${name} ${edited}`).includes(this.#query));
    if (!found.some(({ id }) => id === this.#active)) this.#active = "";
    this.#active ||= found.find(({ id }) => id === this.#facts.shown)?.id ?? found[0]?.id ?? "";
    const groups = byDay(found, ({ updated }) => updated).map(({ title, items }, number) => {
      const heading = element("h3", { text: title, id: `conversations-day-${number}` });
      const rows = element("ul", { "aria-labelledby": heading.id }, ...items.map((facts) => this.#drawn(facts)));
      return element("section", {}, heading, rows);
    });
    const nothing = this.#all.length ? "conversations_no_match" : "conversations_none";
    list.replaceChildren(...(groups.length ? groups : [element("p", { class: "nothing", text: t(nothing) })]));
    exportAll.disabled = removeAll.disabled = !this.#all.length;
    const row = focused && this.#row(focused);
    if (row) (row.querySelector(`[data-control="${control}"]`) ?? row.querySelector(".name")).focus();
  }

  #drawn(facts) {
    const { id, name, domain, updated, edited, unkept } = facts;
    const current = id === this.#facts.shown;
    const tab = id === this.#active ? "0" : "-1";
    const about = [element("span", { class: "about", text: this.#facts.title(domain) })];
    if (unkept) about.push(element("span", { class: "unkept", text: t("conversations_unkept") }));
    const branch = edited ? element("span", { class: "branch", dir: "auto", text: edited }) : null;
    branch?.prepend(icon("branch"), element("span", { class: "unseen", text: t("conversations_branch") + " " }));
    const open = element("button", {
      type: "button", class: "name", tabindex: tab, title: `${name}\n${moment(updated)}`, "data-control": "name",
      "aria-keyshortcuts": "F2 Delete", ...(current ? { "aria-current": "true" } : {}),
    }, element("span", { class: "words", dir: "auto", lang: facts.language || language, text: name }), branch,
      element("span", { class: "facts" }, ...about));
    open.addEventListener("click", () => this.#actions.open(id));
    const rename = this.#button("conversations_rename", "pencil", () => this.#edit(id), "icon");
    const remove = this.#button("conversations_delete", "bin", () => this.#actions.remove(id), "icon");
    for (const [control, key] of [[rename, "conversations_rename_of"], [remove, "conversations_delete_of"]]) {
      control.tabIndex = Number(tab);
      control.dataset.control = key;
      control.setAttribute("aria-label", t(key, { name }));
    }
    const row = element("li", { class: current ? "row current" : "row", "data-id": id }, open,
      element("div", { class: "controls" }, rename, remove));
    row.addEventListener("focusin", () => this.#activate(id));
    return row;
  }

  #activate(id) {
    if (id === this.#active) return;
    for (const [row, index] of [[this.#row(this.#active), -1], [this.#row(id), 0]]) {
      row?.querySelectorAll("button").forEach((button) => (button.tabIndex = index));
    }
    this.#active = id;
  }

  #key(event) {
    const row = event.target.closest(".row");
    if (!row || this.#editing || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...this.#parts.list.querySelectorAll(".row")];
    const at = rows.indexOf(row);
    const controls = [...row.querySelectorAll("button")];
    const beside = controls[controls.indexOf(event.target) + (event.key === "ArrowRight" ? 1 : -1)];
    const keys = {
      ArrowDown: () => rows[at + 1]?.querySelector(".name").focus(),
      ArrowUp: () => (rows[at - 1]?.querySelector(".name") ?? this.#parts.search).focus(),
      ArrowRight: () => beside?.focus(),
      ArrowLeft: () => beside?.focus(),
      Home: () => rows[0].querySelector(".name").focus(),
      End: () => rows.at(-1).querySelector(".name").focus(),
      Delete: () => this.#actions.remove(row.dataset.id),
      F2: () => this.#edit(row.dataset.id),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  #edit(id) {
    const row = this.#row(id);
    const facts = this.#all.find((one) => one.id === id);
    if (!row || !facts || this.#editing) return;
    const input = element("input", {
      class: "rename", value: facts.name, dir: "auto", maxlength: String(LONGEST_NAME), autocomplete: "off",
      "aria-label": t("conversations_rename_of", { name: facts.name }),
    });
    this.#editing = id;
    const end = async (save, back) => {
      if (this.#editing !== id) return;
      this.#editing = null;
      if (save && input.value.trim() !== facts.name) await this.#actions.rename(id, input.value);
      else this.#draw();
      if (back) this.focus(id);
    };
    input.addEventListener("keydown", (event) => {
      // Enter also ends the composing of a syllable.
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      end(event.key === "Enter", true);
    });
    input.addEventListener("blur", () => end(true, false));
    row.replaceChildren(input);
    input.focus();
    input.select();
  }

  #row(id) {
    return this.#parts.list.querySelector(`.row[data-id="${CSS.escape(id)}"]`);
  }

  #button(key, picture, run, kind = "") {
    const children = picture ? [icon(picture)] : [];
    const words = kind.startsWith("icon") ? "unseen" : "";
    const button = element("button", { type: "button", class: kind }, ...children, element("span", { class: words, text: t(key) }));
    if (words) button.title = t(key);
    button.addEventListener("click", run);
    return button;
  }
}

function folded(text) {
  return text.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase().trim();
}

function remembered() {
  try {
    return localStorage.getItem(HIDDEN);
  } catch {
    return document.documentElement.dataset.sideHidden === undefined ? "" : "yes";
  }
}

function remember(value) {
  document.documentElement.toggleAttribute("data-side-hidden", value === "yes");
  try {
    localStorage.setItem(HIDDEN, value);
  } catch { /* blocked: it holds until the page is left */ }
}
