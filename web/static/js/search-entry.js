// One passage of the search as it is listed. All of it comes from documents: put in as text alone.

import { make } from "./elements.js";
import { kindName } from "./filters-words.js";
import { dateText, languageName, t } from "./texts.js";

export function entry(result, place, count) {
  const item = document.createElement("li");
  item.className = "result";
  Object.assign(item.dataset, {
    document: result.document, chunk: result.chunk, page: result.page, quotes: result.quotes,
  });
  const open = document.createElement("button");
  open.type = "button";
  open.className = "result-open";
  open.textContent = result.title;
  open.setAttribute("aria-label", `${result.title}, ${t("search_place", { place: place + 1, count })}`);
  const path = make("p", "result-path", result.headings.join(" › "));
  const text = document.createElement("p");
  text.className = "result-text";
  text.lang = result.language;
  text.append(...(result.cut.before ? ["… "] : []), ...marked(result), ...(result.cut.after ? [" …"] : []));
  const about = document.createElement("p");
  about.className = "result-facts";
  for (const fact of factsOf(result)) about.append(make("span", "", fact));
  item.append(open, about, ...(path.textContent ? [path] : []), text);
  return item;
}

/** Where a listed passage stands, as the source viewer takes it. */
export function placeOf(item) {
  const { document: name, chunk, page, quotes } = item.dataset;
  const [, start, end] = /^(\d+)-(\d+)/.exec(quotes) ?? [];
  const quoted = start === undefined ? {} : { start: Number(start), end: Number(end) };
  return { document: name, chunk, page: Number(page), ...quoted };
}

function marked({ text, marks }) {
  const pieces = [];
  let done = 0;
  for (const [start, end] of marks) {
    pieces.push(text.slice(done, start), make("mark", "", text.slice(start, end)));
    done = end;
  }
  return [...pieces, text.slice(done)];
}

function factsOf({ kind, language, date, page, paged, also }) {
  return [
    paged ? t("page", { page }) : "",
    kind ? kindName(kind) : "",
    languageName(language),
    dateText(date),
    also ? t("search_also", { count: also }) : "",
  ].filter(Boolean);
}
