// What is said of a source in words: its facts, its reference, why it can't be shown.

import { dateText, t } from "./texts.js";

const ERRORS = new Set([
  "unknown_domain", "unknown_document", "unknown_page", "unknown_chunk", "no_index", "bad_index", "source_gone",
  "source_changed", "unreadable_page", "overloaded", "stopping", "timeout", "login_ended", "offline", "internal",
]);
// What is said of a visitor's own documents that are not there any more.
const GONE = new Set(["no_index", "bad_index", "unknown_domain", "unknown_document", "source_gone"]);
const BUSY = new Set(["overloaded", "rate_limit_exceeded", "insufficient_quota"]);
const QUOTES = { hu: ["„", "”"] };

/** A sentence for the code of an error, with what can be done; of documents of a visitor's `own`, where they are. */
export function errorText(code, own = false) {
  if (own && GONE.has(code)) return t("viewer_error_own_gone");
  const known = BUSY.has(code) ? "overloaded" : ERRORS.has(code) ? code : "internal";
  return t(`viewer_error_${known}`);
}

/** A quote with where it is from, to be put into somebody's own text. */
export function reference(quote, facts, page) {
  const [opening, closing] = QUOTES[facts.language] ?? ["“", "”"];
  const paged = facts.kind === "pdf" ? t("viewer_reference_page", { page }) : "";
  const about = [facts.authors, facts.title, dateText(facts.date), facts.source, paged, facts.url];
  return `${opening}${quote}${closing} — ${about.filter(Boolean).join(", ")}`;
}
