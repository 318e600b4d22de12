// Where a quote stands: in the address of the page, and among the other quotes of its answer.

import { state } from "./bridge.js";
import { visit } from "./documents.js";
import { isPlace } from "./viewer-load.js";

const HASH = /(?:^#|&)source=([^&]*)/;
// The visitor's own documents are found by a name that only this browser knows: it is not for an address to tell.
const OWN = "own";
const SPAN = /^(\d{1,8})-(\d{1,8})$/;

/** The place that an address names in its `#source=domain/document/page/chunk/start-end`; null where it names none. */
export function placeIn(hash) {
  const match = HASH.exec(hash);
  if (!match) return null;
  try {
    const [domain, document, page, chunk = "", quote = ""] = match[1].split("/").map(decodeURIComponent);
    const there = domain === OWN ? ownDomain() : domain;
    const place = { domain: there, document, page: Number(page), chunk, ...span(quote) };
    return isPlace(place) ? place : null;
  } catch {
    return null;
  }
}

/** The address of the page with that place; without one, the page's own. */
export function addressOf(place) {
  const { pathname, search, hash } = location;
  // Whatever else stands there belongs to others.
  const others = hash.slice(1).split("&").filter((part) => part && !part.startsWith("source="));
  if (place) {
    const { domain, document, page, chunk, start, end } = place;
    const parts = [domain.replace(/:.*/, ""), document, String(page), ...(chunk ? [chunk] : [])];
    if (chunk && start !== undefined) parts.push(`${start}-${end}`);
    others.push(`source=${parts.map(encodeURIComponent).join("/")}`);
  }
  // The page has a base address: a bare fragment would lead elsewhere.
  return `${pathname}${search}${others.length ? `#${others.join("&")}` : ""}`;
}

/** The place of a citation, or of a passage. */
export function placeOf(element) {
  const { document, chunk, page, start, end, quotes } = element.dataset;
  const named = element.closest("[data-domain]:not(html)")?.dataset.domain ?? state().domain;
  const domain = document?.startsWith(`${OWN}-`) ? ownDomain() : named;
  const quoted = quotes === undefined ? (nearest(element) ?? span(`${start}-${end}`)) : span(quotes.split(",")[0]);
  const place = { domain, document, page: Number(page), chunk: chunk ?? "", ...quoted };
  return isPlace(place) ? place : null;
}

/** The places of all quotes of the answer that a place is quoted in, each with the `number` of its citation. */
export function quotesAround(place) {
  const passages = [...document.querySelectorAll("#passages .passage.cited[data-quotes]")];
  const same = ({ dataset }) => dataset.chunk === place.chunk && dataset.document === place.document;
  const found = passages.filter((passage) => passage.id && same(passage));
  const exchange = found.find((passage) => !place.exchange || exchangeOf(passage) === place.exchange) ?? found[0];
  if (!exchange) return [];
  return passages
    .filter((passage) => exchangeOf(passage) === exchangeOf(exchange))
    .flatMap((passage) => {
      const { quotes, chunk, page } = passage.dataset;
      const number = passage.id.split("-")[2];
      const { domain, document: name } = placeOf(passage) ?? {};
      const about = { domain, document: name, chunk, page: Number(page), number };
      const each = (quotes ? quotes.split(",") : [""]).map((quote) => ({ ...about, ...span(quote) }));
      return each.map((quoted) => ({ ...quoted, exchange: exchangeOf(exchange) }));
    })
    .filter(isPlace);
}

/** The number of the exchange that a citation or a passage belongs to, "" where that is not known. */
export function exchangeOf(element) {
  return element.closest(".exchange")?.dataset.number ?? /^p-(\d+)-/.exec(element.id)?.[1] ?? "";
}

export function sameQuote(first, second) {
  return ["document", "chunk", "start", "end"].every((key) => first[key] === second[key]);
}

function ownDomain() {
  return visit() && `${OWN}:${visit()}`;
}

/** Which quote of its passage a citation stands for: that whose words are nearest to those before it. */
function nearest(citation) {
  const passage = document.getElementById(citation.hash.slice(1));
  const quotes = passage?.dataset.quotes?.split(",") ?? [];
  const marks = [...(passage?.querySelectorAll("mark") ?? [])];
  if (quotes.length < 2 || marks.length !== quotes.length) return null;
  const block = citation.closest("p, li");
  const before = document.createRange();
  before.setStart(block ?? citation.parentNode, 0);
  before.setEndBefore(citation);
  // The sentence, and no more than it may be long.
  const sentence = before.toString().replace(/(?:\s*\[\d+\])+\s*$/, "").split(/\[\d+\]/).pop().slice(-600);
  const wanted = pairs(sentence);
  const shares = marks.map((mark) => [...wanted].filter((pair) => pairs(mark.textContent).has(pair)).length / wanted.size);
  const best = shares.indexOf(Math.max(...shares));
  // A translation has nothing in common with what it is of.
  return shares[best] > 0.4 ? span(quotes[best]) : null;
}

/** The pairs of neighbouring letters of a text: words would tell nothing where they are inflected. */
function pairs(text) {
  const letters = Array.from(text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " "));
  return new Set(letters.slice(1).map((letter, at) => letters[at] + letter));
}

function span(text) {
  const match = SPAN.exec(text ?? "");
  return match ? { start: Number(match[1]), end: Number(match[2]) } : {};
}
