// What is filtered by, in words.

import { t } from "./texts.js";

// The kinds that the loaders tell apart, see ingest/loaders.
const KINDS = new Set([
  "docx", "pptx", "xlsx", "hwpx", "epub", "rtf", "html", "eml", "atom", "record", "csv", "text", "image",
]);
// Called the same everywhere.
const NAMES = { pdf: "PDF", odt: "OpenDocument", json: "JSON", jsonl: "JSON Lines", markdown: "Markdown" };

/** The name of a kind of source. */
export function kindName(kind) {
  return KINDS.has(kind) ? t(`filter_kind_${kind}`) : (NAMES[kind] ?? kind);
}

/** Years as they are filtered by: `2020-2024`, `>=2020`, `<=2024`, `2020`. */
export function describe({ years }) {
  const [, sign, first, last] = /^([<>]=)?(\d{4})(?:-(\d{4}))?$/.exec(years) ?? [];
  if (sign) return t(sign === ">=" ? "filter_since" : "filter_until", { year: first });
  return last ? `${first}–${last}` : (first ?? years);
}
