// The source viewer: a click on a citation opens its source at the quote, beside the answer where there is room.
//
//   open({domain, document, page, chunk?, start?, end?}, opener)   opens a place; closed, the focus returns to `opener`
//
// `<button data-action="open">` within an element with data-document, data-chunk, data-page and data-quotes does it, too.

import { on } from "./bridge.js";
import { element, icon } from "./elements.js";
import { afterwards, prefetch } from "./viewer-ahead.js";
import { isPlace } from "./viewer-load.js";
import { addressOf, exchangeOf, placeIn, placeOf } from "./viewer-place.js";
import { build } from "./viewer-sheet.js";
import { Show } from "./viewer-show.js";
import { WIDE, movable } from "./viewer-size.js";
import { t } from "./texts.js";

const CITATION = "a.citation[data-document]";
const OTHERS = "input, textarea, select, [contenteditable], [role='menu'], #feedback, dialog:not(#viewer)";

let sheet = null;
let show = null;
let opener = null;

export function start() {
  // Before the chat's own listener, which leads to the passage.
  document.addEventListener("click", clicked, true);
  for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, near, { passive: true });
  document.addEventListener("keydown", escaped);
  addEventListener("popstate", follow);
  addEventListener("online", () => show?.failed === "offline" && show.open(show.place));
  addEventListener("resize", () => show?.size(), { passive: true });
  WIDE.addEventListener("change", () => sheet?.dialog.open && stand());
  on("drawn", (drawnAnew) => {
    addButtons(drawnAnew);
    show?.follow();
  });
  on("conversation", ({ why }) => {
    const first = () => document.querySelector(`.exchange:last-of-type ${CITATION}`);
    if (why === "asked") afterwards(() => near({ target: first() }));
    // Whose own documents are shown is known only now.
    if (!sheet?.dialog.open) follow();
  });
  addButtons(document);
  follow();
}

export function open(place, from = null) {
  if (!isPlace(place)) return;
  opener = from && { element: from, exchange: exchangeOf(from), place };
  if (sheet?.dialog.open) history.replaceState(history.state, "", addressOf(place));
  else history.pushState({ ...history.state, source: true }, "", addressOf(place));
  appear(opener ? { ...place, exchange: opener.exchange } : place);
}

function close() {
  if (history.state?.source) {
    history.back();
    return;
  }
  history.replaceState(history.state, "", addressOf(null));
  disappear();
}

/** Shows what the address names, or nothing. */
function follow() {
  const place = placeIn(location.hash);
  if (place && !history.state?.source) {
    // Back closes it also where the page was opened with it.
    history.replaceState(history.state, "", addressOf(null));
    history.pushState({ ...history.state, source: true }, "", addressOf(place));
  }
  if (place) appear(place);
  else if (sheet?.dialog.open) disappear();
}

function clicked(event) {
  const target = event.target.closest?.(`${CITATION}, [data-action="open"]`);
  if (!target) return;
  const source = target.matches(CITATION) ? target : target.closest("[data-document]");
  const place = source && placeOf(source);
  if (!place) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  open(place, target);
}

function escaped(event) {
  if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || !sheet?.dialog.open) return;
  // What else is open closes first, and in a field it is the field's.
  if (document.querySelector("dialog:modal") || event.target.closest?.(OTHERS)) return;
  event.preventDefault();
  close();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const larger = { "+": 1, "=": 1, "-": -1, 0: 0 }[event.key];
  if (by && event.shiftKey) show.step(by);
  // A page that is wider than the sheet is moved first.
  else if (by && movable(sheet.body, by)) return;
  else if (by) show.turn(by);
  else if (larger !== undefined) show.zoom(larger);
  else return;
  event.preventDefault();
}

function make() {
  sheet = build({
    close,
    turn: (by) => show.turn(by),
    step: (by) => show.step(by),
    zoom: (by) => show.zoom(by),
    look: () => show.look(),
    copy: () => show.copy(),
  });
  show = new Show(sheet);
  const { dialog } = sheet;
  document.body.append(dialog);
  dialog.addEventListener("keydown", pressed);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  // A browser may close it without asking.
  dialog.addEventListener("close", () => !dialog.open && show.place && close());
}

function appear(place) {
  if (!sheet) make();
  const first = !sheet.dialog.open;
  if (first) stand();
  show.open(place);
  sheet.body.focus({ preventScroll: true });
  // Beside the sheet the answer's lines are broken anew.
  if (first && WIDE.matches) opener?.element.scrollIntoView({ block: "nearest" });
}

/** Beside the page where there is room, else above it. */
function stand() {
  const { dialog } = sheet;
  if (dialog.open) dialog.close();
  if (WIDE.matches) dialog.show();
  else dialog.showModal();
  document.documentElement.classList.toggle("viewing", WIDE.matches);
  show.fit();
}

function disappear() {
  const back = cameFrom();
  opener = null;
  show.end();
  sheet.dialog.close();
  document.documentElement.classList.remove("viewing");
  back?.focus();
  back?.scrollIntoView({ block: "nearest" });
}

/** Where the focus was; the conversation may have been drawn anew since. */
function cameFrom() {
  const otherwise = document.querySelector("#question textarea");
  if (!opener) return otherwise;
  const { element: from, place, exchange } = opener;
  if (from.isConnected) return from;
  const start = place.start === undefined ? undefined : String(place.start);
  const same = ({ dataset }) => dataset.chunk === place.chunk && (start === undefined || dataset.start === start);
  const links = [...document.querySelectorAll(CITATION)].filter(same);
  return links.find((link) => exchangeOf(link) === exchange) ?? links[0] ?? otherwise;
}

/** Whoever comes near a citation may open it next. */
function near({ target }) {
  const citation = target?.closest?.(CITATION);
  if (citation) prefetch(placeOf(citation));
}

/** Gives each passage that the server can show a button. */
function addButtons(within) {
  for (const passage of within.querySelectorAll("#passages .passage[data-document]")) {
    if (passage.querySelector('[data-action="open"]') || !placeOf(passage)) continue;
    const title = t("viewer_open");
    const label = `${title}: ${passage.querySelector("header :is(h3, h4)")?.textContent ?? ""}`;
    const attributes = { type: "button", class: "tool viewer-open", "data-action": "open", title, "aria-label": label };
    passage.querySelector("header")?.append(element("button", attributes, icon("open")));
  }
}
