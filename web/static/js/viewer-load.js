// Asks the server for documents and their pages, and keeps what it was given last. Knows nothing of how they are shown.

import { visit } from "./documents.js";

const KEPT = 60;
const DOCUMENT = /^(?:own-)?[0-9a-f]{32}$/;
const CHUNK = /^[0-9a-f]{32}(?:[+ ][0-9a-f]{32}){0,15}$/;
// Errors after which a page can still be shown: without its quote, or as the text that was indexed.
const WITHOUT_QUOTE = new Set(["unknown_chunk", "invalid_value"]);
const AS_TEXT = new Set(["source_gone", "source_changed", "unreadable_page"]);
const kept = new Map();

/** Why something can't be shown: `code` is the server's, or `offline`. */
class Failure extends Error {
  constructor(code, seconds = 0) {
    super(code);
    this.code = code;
    this.seconds = seconds;
  }
}

/** Whether a place `{domain, document, page, chunk?, start?, end?}` is one that the server may know. */
export function isPlace({ domain, document, page, chunk, start, end }) {
  const quoted = start === undefined || (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end);
  return Boolean(
    domain && DOCUMENT.test(document) && Number.isInteger(page) && page > 0 && (!chunk || CHUNK.test(chunk)) && quoted,
  );
}

/** What is known of the document of a place. */
export function facts({ domain, document }) {
  return asked(folder(domain, document));
}

/** The page of a place, and in `notice` the code of what is not as it was asked for. */
export async function page(place, view = "") {
  try {
    return { ...(await asked(address(place, view))), notice: "" };
  } catch (failure) {
    if (WITHOUT_QUOTE.has(failure.code) && place.chunk) {
      const bare = { ...place, chunk: "", start: undefined, end: undefined };
      const shown = await page(bare, view);
      return { ...shown, notice: shown.notice || "unknown_chunk" };
    }
    if (AS_TEXT.has(failure.code) && !view) return { ...(await page(place, "text")), notice: failure.code };
    throw failure;
  }
}

/** The addresses of a page's picture, for an image as wide as `sizes` says. */
export function pictures({ picture, widths }) {
  return widths.map((width) => `${picture}?width=${width} ${width}w`).join(", ");
}

/** Why a picture did not come: an image does not say so itself. */
export async function pictureFailure({ picture, widths }) {
  try {
    await answer(`${picture}?width=${widths[0]}`);
  } catch (failure) {
    return failure;
  }
  return new Failure("unreadable_page");
}

function folder(domain, document) {
  // A visitor's own document is that of the conversation: its address says nothing to anyone else.
  if (document.startsWith("own-")) return `/sources/own:${visit() || "none"}/${document}`;
  return `/sources/${encodeURIComponent(domain)}/${document}`;
}

function address({ domain, document, page: number, chunk, start, end }, view) {
  const query = new URLSearchParams();
  if (chunk) query.set("chunk", chunk);
  if (chunk && start !== undefined) query.set("quote", `${start}-${end}`);
  if (view) query.set("view", view);
  const text = query.toString();
  return `${folder(domain, document)}/pages/${number}${text && `?${text}`}`;
}

function asked(url) {
  const known = kept.get(url);
  if (known) {
    // The one that was asked for last is forgotten last.
    kept.delete(url);
    kept.set(url, known);
    return known;
  }
  const coming = answer(url).then((response) => response.json());
  kept.set(url, coming);
  // What failed may be there the next time.
  coming.catch(() => kept.delete(url));
  while (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return coming;
}

async function answer(url) {
  let response;
  try {
    response = await fetch(url, { headers: { accept: "application/json, image/webp" } });
  } catch {
    throw new Failure("offline");
  }
  if (response.ok) return response;
  if (response.status === 401) throw new Failure("login_ended");
  const said = await response.json().catch(() => null);
  throw new Failure(said?.error?.code ?? "internal", Number(response.headers.get("retry-after")) || 0);
}
