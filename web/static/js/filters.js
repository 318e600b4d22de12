// Which documents count, for questions and for the search: kind, language, years, titles. Kept per domain in this tab.
//
//   current()      what is chosen for the domain that is shown, as the server takes it: {kind, language, years, document}
//   changed(f)     f() whenever that changes, also with the domain
//   stand(place)   puts the bar with what is chosen into an element; "" puts it back above the question
//   clear()        chooses everything

import { on, setFilters } from "./bridge.js";
import { icon, make } from "./elements.js";
import { describe, kindName } from "./filters-words.js";
import { languageName, t } from "./texts.js";

const KEPT = "lacerta-filters";
const MOST_DOCUMENTS = 30;
const PATIENCE = 120;
const NOTHING = { kinds: [], languages: [], from: "", to: "", documents: [] };

const listeners = [];
let bar = null;
let sheet = null;
let facets = null;
let domain = "";

export function start() {
  bar = make("div", "filters");
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", t("filter_title"));
  stand("");
  sheet = build();
  document.body.append(sheet.dialog);
  on("conversation", (said) => {
    if (said.domain === domain) return;
    domain = said.domain;
    facets = null;
    tell();
    if (sheet.dialog.open) load();
  });
  draw();
}

export function current() {
  const { kinds, languages, from, to, documents } = chosen();
  const years = from && to ? (from === to ? from : `${from}-${to}`) : from ? `>=${from}` : to ? `<=${to}` : "";
  const values = {
    kind: kinds.join(","), language: languages.join(","), years, document: documents.map(({ id }) => id).join(","),
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}

export function changed(listener) {
  listeners.push(listener);
}

export function stand(place) {
  const there = place || document.getElementById("filters");
  if (bar && there && bar.parentElement !== there) there.append(bar);
}

export function clear() {
  choose(NOTHING);
}

function chosen() {
  return { ...NOTHING, ...read()[domain] };
}

function choose(values) {
  const all = read();
  all[domain] = { ...chosen(), ...values };
  write(all);
  tell();
}

let blocked = {};

function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    return kept && typeof kept === "object" ? kept : {};
  } catch {
    // Where a browser keeps nothing it holds as long as the page is open.
    return blocked;
  }
}

function write(all) {
  blocked = all;
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(all));
  } catch {
    // See read().
  }
}

function tell() {
  setFilters(current());
  draw();
  if (sheet?.dialog.open) fill();
  for (const listener of listeners) listener();
}

// The bar: a button, and a chip for all that is chosen.

function draw() {
  if (!bar) return;
  // Gradio may have drawn the place of the bar after this module began.
  if (!bar.isConnected) stand("");
  const held = document.activeElement?.closest?.(".filters .chip") ? document.activeElement.dataset.place : null;
  const chips = chipsOf(chosen());
  const button = make("button", "filter-open");
  button.type = "button";
  button.setAttribute("aria-haspopup", "dialog");
  button.append(icon("funnel", 16), make("span", "", t("filter_open")));
  button.addEventListener("click", () => open(button));
  const items = chips.map(({ text, said, remove }, place) => {
    const chip = make("button", "chip");
    chip.type = "button";
    chip.dataset.place = place;
    chip.setAttribute("aria-label", t("filter_remove", { filter: said ?? text }));
    chip.append(make("span", "", text), icon("close", 16));
    chip.addEventListener("click", remove);
    return chip;
  });
  if (chips.length > 1) {
    const all = make("button", "filter-clear", t("filter_clear"));
    all.type = "button";
    all.addEventListener("click", () => {
      clear();
      bar.querySelector(".filter-open").focus();
    });
    items.push(all);
  }
  bar.classList.toggle("chosen", chips.length > 0);
  bar.replaceChildren(button, ...items);
  if (held !== null) (bar.querySelectorAll(".chip")[Math.min(held, chips.length - 1)] ?? button).focus();
}

function chipsOf({ kinds, languages, from, to, documents }) {
  const without = (list, item) => list.filter((other) => other !== item);
  return [
    ...kinds.map((kind) => ({ text: kindName(kind), remove: () => choose({ kinds: without(kinds, kind) }) })),
    ...languages.map((code) => (
      { text: languageName(code), remove: () => choose({ languages: without(languages, code) }) })),
    ...(from || to ? [{ text: describe({ years: current().years }), remove: () => choose({ from: "", to: "" }) }] : []),
    ...documents.map((item) => ({ text: item.title, remove: () => choose({ documents: without(documents, item) }) })),
  ];
}

// The dialog in which they are chosen.

function build() {
  const dialog = make("dialog", "filter-sheet");
  dialog.setAttribute("aria-labelledby", "filter-heading");
  const heading = make("h2", "", t("filter_title"));
  heading.id = "filter-heading";
  const close = make("button", "tool filter-close");
  close.type = "button";
  close.setAttribute("aria-label", t("filter_close"));
  close.append(icon("close", 16));
  const head = make("header");
  head.append(heading, close);
  const said = make("p", "filter-said");
  said.setAttribute("role", "status");
  const groups = make("div", "filter-groups");
  const all = make("button", "filter-clear", t("filter_clear"));
  const done = make("button", "filter-done", t("filter_done"));
  all.type = done.type = "button";
  const foot = make("footer");
  foot.append(all, done);
  dialog.append(head, said, groups, foot);
  close.addEventListener("click", () => dialog.close());
  done.addEventListener("click", () => dialog.close());
  all.addEventListener("click", () => clear());
  // A click beside it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => (opener?.isConnected ? opener : bar.querySelector(".filter-open"))?.focus());
  return { dialog, groups, said };
}

let opener = null;

async function open(from) {
  opener = from;
  sheet.dialog.showModal();
  if (facets) fill();
  else if (domain) await load();
}

async function load() {
  const wanted = domain;
  sheet.groups.replaceChildren();
  sheet.said.textContent = t("filter_loading");
  try {
    const found = await facetsOf(wanted, "");
    if (wanted !== domain) return;
    facets = found;
    fill();
  } catch (error) {
    console.warn(error);
    sheet.said.textContent = t("filter_failed");
  }
}

async function facetsOf(name, title, signal) {
  const query = title ? `?title=${encodeURIComponent(title)}` : "";
  const answer = await fetch(`/search/${encodeURIComponent(name)}/filters${query}`, { signal });
  if (!answer.ok) throw new Error(`filters: ${answer.status}`);
  return answer.json();
}

function fill() {
  if (!facets) return;
  const { kinds, languages, from, to } = chosen();
  sheet.said.textContent = t("filter_count", { count: facets.documents });
  const groups = [];
  if (facets.kinds.length > 1 || kinds.length) {
    groups.push(boxes("kind", t("filter_kind"), facets.kinds, kinds, kindName, (values) => choose({ kinds: values })));
  }
  if (facets.languages.length > 1 || languages.length) {
    groups.push(boxes("language", t("filter_language"), facets.languages, languages, languageName,
      (values) => choose({ languages: values })));
  }
  if (facets.years.length || from || to) groups.push(years());
  const held = document.activeElement?.closest?.(".filter-sheet") ? document.activeElement.dataset.key : null;
  const documents = sheet.groups.querySelector(".filter-documents") ?? titles();
  documents.refresh();
  sheet.groups.replaceChildren(...groups, documents);
  if (held) [...sheet.groups.querySelectorAll("[data-key]")].find((item) => item.dataset.key === held)?.focus();
}

function boxes(name, title, items, picked, label, pick) {
  const group = make("fieldset");
  group.append(make("legend", "", title));
  const row = make("div", "filter-row");
  const gone = picked.filter((value) => !items.some((item) => item.value === value));
  for (const { value, count } of [...items, ...gone.map((item) => ({ value: item, count: 0 }))]) {
    row.append(box(`${name}-${value}`, label(value), count, picked.includes(value), (on_) =>
      pick(on_ ? [...picked, value] : picked.filter((other) => other !== value))));
  }
  group.append(row);
  return group;
}

function box(key, text, note, checked, toggled) {
  const label = make("label", "filter-box");
  const input = make("input");
  input.type = "checkbox";
  input.checked = checked;
  input.dataset.key = key;
  input.addEventListener("change", () => toggled(input.checked));
  label.append(input, make("span", "", text));
  if (note !== "") label.append(make("small", "", String(note)));
  return label;
}

function years() {
  const group = make("fieldset");
  group.append(make("legend", "", t("filter_years")));
  const row = make("div", "filter-row");
  const { from, to } = chosen();
  const [first, last] = [facets.years[0]?.value ?? "", facets.years.at(-1)?.value ?? ""];
  const values = { from, to };
  for (const [key, hint] of [["from", first], ["to", last]]) {
    const label = make("label", "filter-year");
    const input = make("input");
    Object.assign(input, { type: "text", inputMode: "numeric", maxLength: 4, placeholder: String(hint), value: values[key] });
    input.dataset.key = key;
    input.addEventListener("input", () => {
      const year = input.value.trim();
      const fits = year === "" || /^\d{4}$/.test(year);
      input.setAttribute("aria-invalid", String(!fits && year.length === 4));
      if (!fits) return;
      values[key] = year;
      const order = values.from && values.to && values.from > values.to;
      const wrong = group.querySelector(".filter-wrong");
      wrong.textContent = order ? t("filter_years_wrong") : "";
      if (!order) choose(values);
    });
    label.append(make("span", "", t(`filter_${key}`)), input);
    row.append(label);
  }
  group.append(row);
  const note = facets.undated ? t("filter_undated", { count: facets.undated }) : "";
  group.append(make("p", "filter-note", note));
  const wrong = make("p", "filter-wrong");
  wrong.setAttribute("role", "alert");
  group.append(wrong);
  return group;
}

function titles() {
  const group = make("fieldset", "filter-documents");
  group.append(make("legend", "", t("filter_documents")));
  const input = make("input");
  Object.assign(input, { type: "search", placeholder: t("filter_documents_hint"), autocomplete: "off", maxLength: 200 });
  input.setAttribute("aria-label", t("filter_documents_hint"));
  input.dataset.key = "title";
  const list = make("div", "filter-list");
  const more = make("p", "filter-note");
  group.append(input, list, more);
  let found = facets.titled;
  let waiting = null;
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      waiting?.abort();
      waiting = new AbortController();
      try {
        ({ titled: found } = await facetsOf(domain, input.value.trim(), waiting.signal));
        group.refresh();
      } catch (error) {
        if (error.name !== "AbortError") more.textContent = t("filter_failed");
      }
    }, PATIENCE);
  });
  group.refresh = () => {
    const { documents } = chosen();
    const kept = documents.filter(({ id }) => !found.documents.some((item) => item.document === id));
    const items = [...kept.map(({ id, title }) => ({ document: id, title, kind: "" })), ...found.documents];
    list.replaceChildren(...items.map(({ document: id, title, kind }) => {
      const on_ = documents.some((item) => item.id === id);
      const item = box(`document-${id}`, title, kind ? kindName(kind) : "", on_, (now) => {
        const others = chosen().documents.filter((other) => other.id !== id);
        choose({ documents: now ? [...others, { id, title }] : others });
      });
      item.querySelector("input").disabled = !on_ && documents.length >= MOST_DOCUMENTS;
      return item;
    }));
    const hidden = found.count - found.documents.length;
    more.textContent = !items.length ? t("filter_documents_none") : hidden > 0 ? t("filter_documents_more", { count: hidden }) : "";
  };
  return group;
}
