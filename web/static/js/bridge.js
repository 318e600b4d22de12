// What the page's own modules and its server tell each other. All that is asked goes through a hidden button of Gradio.
//
//   send("ask", {text, at?, fresh?, filters?})  at: number of the exchange to replace, with all after it
//   send("restore", {json, id?})                json: a conversation as it was given by on("conversation")
//   send("clear")                               an empty conversation in the domain that is shown
//   on("conversation", f)                       f({id, domain, language, count, why, json}) after each exchange and
//                                               whenever another conversation is shown; why: arrived, turned, asked,
//                                               stopped, restored, cleared, refused (then with `message`)
//   on("branch", f)                             f({from, to, at}): a question was edited, `to` is the new conversation
//   on("asked", f)                              f({text, at, fresh, id}): a question is on its way
//   on("left", f)                               f({id, domain, json}): an answer in another domain was ended
//   on("drawn", f)                              f(element) after #chat or #passages was drawn anew. The server's HTML
//                                               replaces attributes that were set here: set them again then.
//   comeBack()                                  gives the server back what is shown, after the connection was lost
//   state()                                     {domain, language, id, count, busy, asking}
//   setFilters({...})                           the filters that every question is asked with
//   setAttachments([...])                       the ids of the visitor's own documents that are searched, too

import { visitOf } from "./documents-kept.js";
import { language } from "./texts.js";

const FRAME_MS = 100;
const listeners = { conversation: [], branch: [], left: [], drawn: [], asked: [] };
const waiting = new Map();
const identifiers = new Map();
let filters = {};
let attachments = [];
let unanswered = null;
let again = null;
let arrive;
const arrived = new Promise((resolve) => (arrive = resolve));
let last = { domain: "", language, count: 0, json: "", why: "" };

/** A name that nobody can guess: what belongs to a conversation is found by it. */
export function newIdentifier() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function on(event, listener) {
  listeners[event].push(listener);
}

export function state() {
  return {
    domain: last.domain,
    language,
    id: identifier(last.domain),
    count: last.count,
    busy: Boolean(document.querySelector("#chat .exchange.open")),
    asking: unanswered !== null,
  };
}

export function setFilters(chosen) {
  filters = { ...chosen };
}

export function setAttachments(chosen) {
  attachments = [...chosen];
}

/** Runs the handler of that name; resolves once it was told. */
export async function send(name, payload = {}) {
  const button = await present(`do-${name}`);
  await arrived;
  waiting.set(name, name === "ask" ? order(payload) : withOwn({ id: newIdentifier(), ...payload }));
  button.click();
}

/** What a kept conversation was about is found among its own documents, too. */
function withOwn(payload) {
  const visit = visitOf(payload.id);
  return visit ? { ...payload, attachments: [visit] } : payload;
}

function identifier(domain) {
  if (!identifiers.has(domain)) identifiers.set(domain, newIdentifier());
  return identifiers.get(domain);
}

function order(payload) {
  const at = payload.at ?? last.count + 1;
  // Whatever would be lost by it stays in the conversation that it branches from.
  if (at < last.count || (at === last.count && !payload.fresh)) {
    const from = identifier(last.domain);
    identifiers.set(last.domain, newIdentifier());
    tell("branch", { from, to: identifier(last.domain), at });
  }
  // What was typed beside it, as while an example is chosen, is not taken away.
  const typed = document.querySelector("#question textarea")?.value.trim() ?? "";
  const keeps = Boolean(typed) && typed !== payload.text.trim();
  const asked = { filters, attachments, ...payload, keeps, count: last.count, id: identifier(last.domain) };
  unanswered = asked;
  tell("asked", asked);
  return asked;
}

/** Gives the server the conversation that is shown, where it may have forgotten it, and asks what it could not. */
export function comeBack() {
  if (!last.count || !last.json) return;
  again = unanswered;
  send("restore", { json: last.json, id: identifier(last.domain) });
}

/** It can't be shown by the server now; it stays as it stands there, and its question can be asked again. */
function giveUp() {
  again = unanswered = null;
  document.querySelector("#chat .exchange.open")?.classList.replace("open", "ended");
}

function tell(event, detail) {
  for (const listener of listeners[event]) {
    try {
      listener(detail);
    } catch (error) {
      console.error(error);
    }
  }
}

function present(id) {
  return new Promise((resolve) => {
    const look = () => {
      const button = document.getElementById(id);
      if (button) resolve(button);
      else requestAnimationFrame(look);
    };
    look();
  });
}

// What the events of Gradio call, see web/page.py, and what can be called from a browser's console.
window.lacerta = {
  on,
  send,
  state,
  /** What the visitor typed, as an order. */
  order: (text) => JSON.stringify(order({ text })),
  /** The conversation that is shown. */
  shown: () => JSON.stringify({ id: identifier(last.domain) }),
  /** A conversation that nothing is known of yet. */
  clear: () => JSON.stringify({ id: newIdentifier() }),
  /** What was sent to a handler. */
  take(name) {
    const payload = waiting.get(name) ?? {};
    waiting.delete(name);
    return JSON.stringify(payload);
  },
  /** What the server says of the conversation that is shown now. */
  kept(text) {
    if (!text) return;
    let { serial, ...said } = JSON.parse(text);
    if (said.why === "forgotten") {
      comeBack();
      return;
    }
    if (!said.domain) {
      // There is nothing for this visitor, as the page says.
      document.documentElement.dataset.domain = "";
      return;
    }
    // Whoever turned to another domain may have been faster.
    if (said.why === "arrived" && last.domain) said = { ...last, why: said.why, owner: said.owner };
    for (const [domain, json] of Object.entries(said.left ?? {})) tell("left", { id: identifier(domain), domain, json });
    last = { ...last, ...said };
    if (said.id) identifiers.set(said.domain, said.id);
    document.documentElement.dataset.domain = said.domain;
    arrive();
    if (!["restored", "refused", "arrived"].includes(said.why)) unanswered = null;
    if (said.why === "refused" && again) giveUp();
    tell("conversation", { ...said, language, id: identifier(said.domain) });
    if (said.why === "restored" && again) {
      const asked = again;
      again = null;
      send("ask", asked);
    }
  },
};

const dirty = new Set();
new MutationObserver((records) => {
  const before = dirty.size;
  for (const { target } of records) {
    const drawn = target.closest?.("#chat, #passages") ?? target.parentElement?.closest("#chat, #passages");
    if (drawn) dirty.add(drawn);
    // What was put in as a whole.
    else if (target.querySelector) for (const part of target.querySelectorAll("#chat, #passages")) dirty.add(part);
  }
  if (!dirty.size || before) return;
  requestAnimationFrame(flush);
  // A page that nobody looks at has no next frame.
  setTimeout(flush, FRAME_MS);
}).observe(document.body, { childList: true, subtree: true, characterData: true });

function flush() {
  const drawn = [...dirty];
  dirty.clear();
  for (const element of drawn) if (element.isConnected) tell("drawn", element);
}
