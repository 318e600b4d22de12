// The search tab: passages for what is being typed, without an answer. A result opens its source.
//
// The first key asks at once; while an answer is awaited the next question waits for it, and no longer than QUIET.

import { newIdentifier, on, send, state } from "./bridge.js";
import { visit as ownDocuments } from "./documents.js";
import { make } from "./elements.js";
import * as filters from "./filters.js";
import { mode, show as showMode } from "./modes.js";
import { entry, placeOf } from "./search-entry.js";
import { language, t } from "./texts.js";
import { open } from "./viewer.js";

const QUIET = 60;
const BUSY = 250;
const SAID = 700;
const FIRST = 20;
const MOST = 50;
const KEPT_ANSWERS = 40;
const AGAIN = 1000;
const KNOWN_ERRORS = new Set(["no_index", "bad_index", "filter", "too_long", "overloaded", "unknown_domain", "login"]);
// A syllable that is still being put together.
const UNFINISHED = /[\u1100-\u11ff\u3131-\u318e]+$/;

const visit = newIdentifier();
const answers = new Map();
let parts = null;
let running = null;
let waiting = 0;
let again = 0;
let drawn = "";
let limit = FIRST;
let awaited = "";

export function start() {
  const place = document.getElementById("search");
  if (!place) {
    // Gradio draws the page a moment later.
    requestAnimationFrame(start);
    return;
  }
  parts = build(place);
  const wanted = new URLSearchParams(location.search).get("q");
  if (wanted !== null) {
    parts.input.value = wanted;
    showMode("search");
  }
  document.addEventListener("mode", ({ detail }) => turned(detail));
  turned(mode());
  filters.changed(() => typed());
  on("conversation", () => {
    parts.own.hidden = !ownDocuments();
    if (mode() === "search") typed();
  });
  addEventListener("online", () => typed(true));
  document.addEventListener("click", keepWords, true);
}

function build(place) {
  place.setAttribute("role", "tabpanel");
  place.setAttribute("aria-labelledby", "mode-search");
  const form = make("form", "search-entry");
  form.setAttribute("role", "search");
  const input = make("input");
  Object.assign(input, {
    type: "search", id: "search-words", placeholder: t("search_hint"), autocomplete: "off", spellcheck: false,
    enterKeyHint: "search", maxLength: 2000,
  });
  input.setAttribute("aria-label", t("search_label"));
  input.setAttribute("aria-controls", "search-results");
  const ask = make("button", "search-ask", t("search_ask"));
  ask.type = "button";
  form.append(input, ask);
  const chosen = make("div", "search-filters");
  const own = make("p", "search-own", t("search_own"));
  own.hidden = true;
  const said = make("p", "search-said");
  const heard = make("p", "unseen");
  heard.setAttribute("role", "status");
  const list = make("ol");
  list.id = "search-results";
  const note = make("div", "search-note");
  const more = make("button", "search-more", t("search_more"));
  more.type = "button";
  more.hidden = true;
  place.replaceChildren(form, chosen, own, said, heard, note, list, more);

  input.addEventListener("input", () => {
    limit = FIRST;
    typed();
  });
  input.addEventListener("keydown", keyInInput);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    typed(true);
    // On a phone the keyboard makes room for what was found.
    focusEntry(0) || input.blur();
  });
  list.addEventListener("keydown", keyInList);
  list.addEventListener("click", (event) => {
    const item = event.target.closest(".result");
    // Whoever marks words of a passage does not want it opened.
    if (item && !String(getSelection()).trim()) openSource(item);
  });
  ask.addEventListener("click", askIt);
  more.addEventListener("click", () => {
    limit = MOST;
    const place = list.children.length;
    typed(true).then(() => focusEntry(place));
  });
  return { place, form, input, ask, chosen, own, said, heard, note, list, more };
}

function turned(now) {
  const here = now === "search";
  filters.stand(here ? parts.chosen : "");
  parts.own.hidden = !ownDocuments();
  if (here) {
    typed(true);
    // A phone would put its keyboard over the page.
    if (matchMedia("(pointer: fine)").matches) parts.input.focus({ preventScroll: true });
  } else {
    remember(null);
  }
}

/** What is searched for now, and with what. */
function wanted() {
  const { domain } = state();
  const text = parts.input.value.replace(UNFINISHED, "").trim();
  const enough = text.length > 1 || /[\u3400-\u9fff가-힣]/.test(text);
  const query = new URLSearchParams({ q: text, interface: language, limit: String(limit), ...filters.current() });
  return { domain, text: enough ? text : "", key: `${domain}?${query}`, query };
}

async function typed(now = false) {
  if (!parts || mode() !== "search") return;
  const asked = wanted();
  parts.ask.disabled = !parts.input.value.trim();
  remember(parts.input.value);
  if (!asked.domain && asked.text) {
    // It goes once the server has said which documents these are, see start().
    lag();
    return;
  }
  if (!asked.text) {
    stop();
    draw({ key: asked.key, text: "" });
    return;
  }
  if (asked.key === awaited) return;
  if (asked.key === drawn && !again) {
    stop();
    return;
  }
  const known = answers.get(asked.key);
  if (known) {
    stop();
    draw({ ...asked, found: known });
  } else if (running && !now) {
    // It goes as soon as the one before is done, see find().
    waiting ||= setTimeout(() => find(wanted()), QUIET);
  } else {
    await find(asked);
  }
}

function stop() {
  clearTimeout(waiting);
  clearTimeout(again);
  waiting = again = 0;
  running?.abort();
  running = null;
  awaited = "";
  parts.place.removeAttribute("aria-busy");
}

async function find(asked) {
  stop();
  if (!asked.text) return;
  const mine = (running = new AbortController());
  awaited = asked.key;
  const slow = setTimeout(() => mine === running && lag(), BUSY);
  let result = null;
  try {
    const query = `${asked.query}&visit=${visit}`;
    const answer = await fetch(`/search/${encodeURIComponent(asked.domain)}?${query}`, { signal: mine.signal });
    const body = await answer.json();
    if (answer.ok) result = { found: body };
    else result = { code: answer.status === 401 ? "login" : (body.error?.code ?? "internal") };
  } catch (error) {
    result = error.name === "AbortError" ? null : { code: navigator.onLine ? "unreachable" : "offline" };
  }
  clearTimeout(slow);
  if (mine !== running || !result) return;
  const next = waiting;
  stop();
  if (result.code === "superseded") return;
  if (result.found) keep(asked.key, result.found);
  draw({ ...asked, ...result });
  if (["overloaded", "unreachable"].includes(result.code)) again = setTimeout(() => find(wanted()), AGAIN);
  else if (next) typed();
}

function lag() {
  parts.place.setAttribute("aria-busy", "true");
  parts.said.textContent = t("searching");
}

function keep(key, found) {
  answers.set(key, found);
  if (answers.size > KEPT_ANSWERS) answers.delete(answers.keys().next().value);
}

function draw({ key, text, found, code }) {
  drawn = code ? "" : key;
  const results = found?.results ?? [];
  parts.list.dataset.words = text;
  if (!code) parts.list.replaceChildren(...results.map((result, place) => entry(result, place, results.length)));
  parts.note.replaceChildren(...noteOf({ text, found, code, results }));
  parts.more.hidden = !found || limit >= MOST || results.length < FIRST;
  const count = found && results.length ? counted(results) : "";
  parts.said.textContent = count;
  say(code ? errorText(code) : count || (text ? t("search_none") : ""));
}

function counted(results) {
  const documents = new Set(results.map((result) => result.document)).size;
  const passages = t(results.length < limit ? "search_count" : "search_best", { count: results.length });
  return `${passages}, ${t("search_from", { count: documents })}`;
}

function noteOf({ text, found, code, results }) {
  if (code) {
    const said = make("p", "search-error", errorText(code));
    return code === "filter" ? [said, clearing()] : [said];
  }
  if (!text) return [make("p", "search-empty", t("search_empty"))];
  if (!results.length) {
    const chosen = Object.keys(filters.current()).length > 0;
    return [make("p", "search-empty", t(chosen ? "search_none_filtered" : "search_none")), ...(chosen ? [clearing()] : [])];
  }
  return found.weak ? [make("p", "search-weak", t("search_weak"))] : [];
}

function clearing() {
  const button = make("button", "", t("filter_clear"));
  button.type = "button";
  button.addEventListener("click", () => {
    filters.clear();
    parts.input.focus();
  });
  return button;
}

function errorText(code) {
  return t(`search_error_${KNOWN_ERRORS.has(code) ? code : ["offline", "unreachable"].includes(code) ? "offline" : "internal"}`);
}

let speaking = 0;

/** Only what stays for a moment is said to who can't see it: not every key. */
function say(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    if (parts.heard.textContent !== text) parts.heard.textContent = text;
  }, SAID);
}

// The keyboard: down into the results, up and back to what is typed.

function keyInInput(event) {
  // The key that ends the writing of a Korean syllable is not ours.
  if (event.isComposing) return;
  if (event.key === "ArrowDown" && focusEntry(0)) event.preventDefault();
  if (event.key === "Escape" && parts.input.value) {
    event.preventDefault();
    parts.input.value = "";
    typed();
  }
}

function keyInList(event) {
  const items = [...parts.list.children];
  const place = items.indexOf(document.activeElement.closest(".result"));
  const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Escape" || to === -1) {
    event.preventDefault();
    parts.input.focus();
  } else if (to !== undefined && place >= 0) {
    event.preventDefault();
    focusEntry(Math.min(to, items.length - 1));
  } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== " ") {
    // Whoever goes on typing changes the words.
    parts.input.focus();
  }
}

function focusEntry(place) {
  const button = parts.list.children[place]?.querySelector(".result-open");
  button?.focus();
  button?.closest(".result").scrollIntoView({ block: "nearest" });
  return Boolean(button);
}

function openSource(item) {
  open({ domain: state().domain, ...placeOf(item) }, item.querySelector(".result-open"));
}

function askIt() {
  const text = parts.input.value.trim();
  if (!text) return;
  showMode("chat");
  send("ask", { text });
}

// The words stay in the address, so that a search can be sent to somebody or found again.

let written = 0;

function remember(text) {
  clearTimeout(written);
  written = setTimeout(() => {
    const address = new URL(location.href);
    if (text === null) address.searchParams.delete("q");
    else {
      address.searchParams.set("q", text);
      if (state().domain) address.searchParams.set("domain", state().domain);
    }
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }, 300);
}

/** The links to the page in the other languages lead to the same search. */
function keepWords(event) {
  const link = event.target.closest?.("#header .languages a");
  if (!link || mode() !== "search") return;
  const address = new URL(link.href);
  address.searchParams.set("q", parts.input.value);
  link.href = address.pathname + address.search;
}
