// Conversations as a file, and back. Whoever gives a file may have written it: all of it is looked at.

import { newIdentifier } from "./bridge.js";
import { tidy } from "./store.js";

// As in web/export/schema.py and web/export/conversation.py, which look at all the rest.
const VERSION = 1;
const MOST_EXCHANGES = 500;
const LONGEST = 8_000_000;
const MOST = 5000;

/** The text of a file with conversations: [{facts, json}]. */
export function written(conversations) {
  const held = conversations.map(({ facts, json }) => ({
    name: facts.name,
    renamed: facts.renamed,
    updated: new Date(facts.updated).toISOString(),
    conversation: JSON.parse(json),
  }));
  const file = { lacerta: "conversations", version: VERSION, exported: new Date().toISOString(), conversations: held };
  return `${JSON.stringify(file, null, 1)}\n`;
}

/** The conversations of such a file, or of one that holds a single one: [{facts, json}]; null where it is neither. */
export function read(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    return null;
  }
  if (file?.lacerta === "conversation") file = { lacerta: "conversations", version: VERSION, conversations: [{ conversation: file }] };
  if (file?.lacerta !== "conversations" || file.version !== VERSION || !Array.isArray(file.conversations)) return null;
  const found = file.conversations.slice(0, MOST).map(single);
  return found.length && found.every(Boolean) ? found : null;
}

/** What is told of a conversation by its JSON: {name, count, language, domain}; null where it is none. */
export function told(conversation) {
  const { lacerta, version, domain, exchanges, language } = conversation ?? {};
  if (lacerta !== "conversation" || version !== VERSION || typeof domain !== "string" || !domain) return null;
  if (!Array.isArray(exchanges) || !exchanges.length || exchanges.length > MOST_EXCHANGES) return null;
  if (!exchanges.every((exchange) => typeof exchange?.question === "string")) return null;
  const spoken = exchanges.find((exchange) => exchange.answer)?.answer.language ?? language;
  return { name: tidy(exchanges[0].question) || "…", count: exchanges.length, language: String(spoken ?? ""), domain };
}

function single(item) {
  const facts = told(item?.conversation);
  if (!facts) return null;
  const json = `${JSON.stringify(item.conversation, null, 1)}\n`;
  if (json.length > LONGEST) return null;
  const name = typeof item.name === "string" ? tidy(item.name) : "";
  const time = Date.parse(item.updated ?? item.conversation.exported);
  return {
    facts: {
      ...facts,
      id: newIdentifier(),
      name: name || facts.name,
      renamed: item.renamed === true && Boolean(name),
      // No clock says what is still to come.
      updated: Number.isNaN(time) ? Date.now() : Math.min(time, Date.now()),
      from: "",
      edited: "",
    },
    json,
  };
}
