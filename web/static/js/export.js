// An answer or the whole conversation as a file, or on paper: a menu at each answer. The server makes it of what the
// browser keeps of the conversation, and keeps nothing.

import { on, state } from "./bridge.js";
import { make } from "./elements.js";
import { language, t } from "./texts.js";

// Names that are the same in every language, null for those that are translated.
const FORMATS = { print: null, markdown: "Markdown", html: null, bibtex: "BibTeX", ris: "RIS", json: "JSON" };
const NEEDS_REFERENCES = new Set(["bibtex", "ris"]);
const KNOWN_ERRORS = new Set(["no_references", "request_too_large", "overloaded", "login", "offline", "unknown_domain"]);

let kept = { domain: "", json: "" };
let menu = null;
let waiting = null;

export function start() {
  on("conversation", ({ domain, json }) => {
    if (json !== undefined) kept = { domain, json };
    if (waiting?.isConnected) open(waiting);
  });
  on("drawn", () => menu && !menu.opener.isConnected && close(false));
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.('[data-action="export"]');
    if (button) {
      const opened = menu?.opener === button;
      close(false);
      if (!opened) open(button);
    } else if (menu && !event.target.closest(".export-menu")) close(false);
  });
  document.addEventListener("keydown", (event) => {
    if (menu && event.key === "Escape") close(true);
  });
  addEventListener("resize", () => menu && close(false));
}

function open(button) {
  waiting = null;
  const conversation = kept.json ? JSON.parse(kept.json) : { exchanges: [] };
  const number = numberOf(button.closest(".exchange"), conversation.exchanges.length);
  if (number < 1 || !conversation.exchanges.length) {
    // The answer is drawn a moment before it is told what to keep of it.
    waiting = button;
    return;
  }
  const element = make("div", "export-menu");
  element.setAttribute("role", "menu");
  element.setAttribute("aria-label", t("export_menu"));
  const said = make("p", "export-said");
  said.setAttribute("role", "status");
  menu = { element, opener: button, said, number, whole: false, conversation };
  if (conversation.exchanges.length > 1) element.append(scopes());
  for (const format of Object.keys(FORMATS)) element.append(item(format));
  element.append(said);
  element.addEventListener("keydown", move);
  element.addEventListener("focusout", (event) => {
    if (menu?.element === element && event.relatedTarget && !element.contains(event.relatedTarget)) close(false);
  });
  (button.closest("main") ?? document.body).append(element);
  button.setAttribute("aria-haspopup", "menu");
  button.setAttribute("aria-expanded", "true");
  allow();
  stand();
  element.querySelector("[data-format]").focus();
}

/** The place of an exchange among those that are kept, from 1. */
function numberOf(section, count) {
  const numbers = [...document.querySelectorAll("#chat .exchange")].map((other) => Number(other.dataset.number));
  // Of a very long conversation only the last exchanges are kept.
  return count - (Math.max(...numbers) - Number(section.dataset.number));
}

function scopes() {
  const group = make("div", "export-scopes");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", t("export_what"));
  for (const whole of [false, true]) {
    const button = make("button", "", t(whole ? "export_whole" : "export_one"));
    button.type = "button";
    button.tabIndex = -1;
    button.setAttribute("role", "menuitemradio");
    button.setAttribute("aria-checked", String(!whole));
    button.addEventListener("click", () => {
      menu.whole = whole;
      for (const other of group.children) other.setAttribute("aria-checked", String(other === button));
      allow();
    });
    group.append(button);
  }
  return group;
}

function item(format) {
  const button = make("button");
  button.type = "button";
  button.tabIndex = -1;
  button.dataset.format = format;
  button.setAttribute("role", "menuitem");
  button.append(make("strong", "", FORMATS[format] ?? t(`export_as_${format}`)), make("small", "", t(`export_as_${format}_hint`)));
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") deliver(format);
    else menu.said.textContent = t("export_error_no_references");
  });
  return button;
}

/** Without a citation there is no bibliography. */
function allow() {
  const { conversation, number, whole } = menu;
  const exchanges = whole ? conversation.exchanges : conversation.exchanges.slice(number - 1, number);
  const cites = exchanges.some((exchange) => exchange.answer?.citations?.length);
  for (const button of menu.element.querySelectorAll("[data-format]")) {
    button.setAttribute("aria-disabled", String(NEEDS_REFERENCES.has(button.dataset.format) && !cites));
  }
  menu.said.textContent = "";
}

function stand() {
  const { element, opener } = menu;
  const at = opener.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = element;
  const below = at.bottom + height + 8 < innerHeight;
  const top = below ? at.bottom + 4 : Math.max(at.top - height - 4, 8);
  element.style.left = `${Math.max(Math.min(at.left, document.documentElement.clientWidth - width - 8), 8)}px`;
  element.style.top = `${top}px`;
}

function move(event) {
  const items = [...menu.element.querySelectorAll("button")];
  const place = items.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const to = step ? (place + step + items.length) % items.length : { Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") close(true);
  if (to === undefined) return;
  event.preventDefault();
  items[to].focus();
}

function close(back) {
  if (!menu) return;
  const { element, opener } = menu;
  menu = null;
  element.remove();
  opener.setAttribute("aria-expanded", "false");
  if (back && opener.isConnected) opener.focus();
}

async function deliver(format) {
  const mine = menu;
  const { number, whole } = mine;
  mine.said.textContent = t("export_working");
  try {
    const file = await fetched(format === "print" ? "html" : format, whole ? null : number);
    if (menu === mine) close(true);
    if (format === "print") await print(file.text);
    else save(file);
  } catch (error) {
    const code = error.code ?? "offline";
    mine.said.textContent = t(`export_error_${KNOWN_ERRORS.has(code) ? code : "internal"}`);
  }
}

async function fetched(format, number) {
  const query = new URLSearchParams({ format, language, day: today(), ...(number && { number: String(number) }) });
  const address = `/export/${encodeURIComponent(kept.domain || state().domain)}?${query}`;
  const answer = await fetch(address, {
    method: "POST", body: kept.json, headers: { "content-type": "application/json" },
  });
  if (!answer.ok) {
    const code = answer.status === 401 ? "login" : (await answer.json().catch(() => ({}))).error?.code;
    throw Object.assign(new Error(code), { code: code ?? "internal" });
  }
  const [, name] = /filename="([\w.-]+)"/.exec(answer.headers.get("content-disposition") ?? "") ?? [];
  return { name: name ?? "lacerta", type: answer.headers.get("content-type"), text: await answer.text() };
}

function today() {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

function save({ name, type, text }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Prints a page of its own. It has no scripts, and may have none. */
function print(html) {
  document.querySelector("iframe.export-page")?.remove();
  const frame = document.createElement("iframe");
  frame.className = "export-page";
  frame.title = t("export_as_print");
  frame.setAttribute("aria-hidden", "true");
  frame.tabIndex = -1;
  frame.setAttribute("sandbox", "allow-same-origin allow-modals");
  frame.srcdoc = html;
  return new Promise((resolve) => {
    frame.addEventListener("load", () => {
      // Browsers propose the title of the whole page as the name of the file.
      const title = document.title;
      document.title = frame.contentDocument.title || title;
      const restore = () => (document.title = title);
      frame.contentWindow.addEventListener("afterprint", restore, { once: true });
      frame.contentWindow.focus();
      frame.contentWindow.print();
      setTimeout(restore, 60_000);
      resolve();
    }, { once: true });
    document.body.append(frame);
  });
}
