// Draws a page of a source: the picture of a PDF's page with its quote marked, rows of a table, paragraphs.
// What a document says is put in as text alone.

import { element } from "./elements.js";
import { t } from "./texts.js";

/** The page as an element, with what should be in sight as `target`. `quote` are the quoted words, where it has any. */
export function drawn(page, quote) {
  if (page.kind === "picture") return picture(page, quote);
  return page.kind === "table" ? table(page) : text(page);
}

/** A page that is not there yet, in its proportions where these are known. */
export function skeleton({ width = 595, height = 842 } = {}) {
  return paper({ width, height }, "viewer-paper viewer-skeleton");
}

function paper({ width, height }, kind) {
  const sheet = element("div", { class: kind });
  sheet.style.setProperty("--proportions", `${width} / ${height}`);
  return sheet;
}

function picture(page, quote) {
  const sheet = paper(page, "viewer-paper");
  // Where it stands on the page is told in words, for whoever does not see the marks.
  if (quote) sheet.append(element("p", { class: "unseen", text: t("viewer_quoted", { quote }) }));
  sheet.append(element("div", { class: "unseen", lang: page.language, text: page.text || t("viewer_empty") }));
  const marks = page.marks.map(([left, top, width, height]) => {
    const mark = element("i", { class: "viewer-mark", "aria-hidden": "true" });
    const sides = { left, top, width, height };
    for (const [side, value] of Object.entries(sides)) mark.style.setProperty(side, `${value * 100}%`);
    return mark;
  });
  const image = element("img", { alt: "", draggable: "false", decoding: "async" });
  sheet.append(image, ...marks);
  return { element: sheet, target: marks[0] ?? null, image };
}

function table(page) {
  const numbered = page.rows.some((row) => row.number !== null);
  const columns = page.columns.length || Math.max(1, ...page.rows.map((row) => row.cells.length));
  const head = element("tr", {}, numbered && element("th", { scope: "col", text: t("viewer_row") }));
  for (const name of page.columns) head.append(element("th", { scope: "col", text: name }));
  const body = element("tbody");
  let target = null;
  for (const row of page.rows) {
    const line = element("tr", { class: row.marked && "viewer-marked" });
    if (row.number === null) {
      line.append(element("td", { colspan: columns + (numbered ? 1 : 0), text: row.cells[0] ?? "" }));
    } else {
      const number = element("th", { scope: "row", text: String(row.number) });
      if (row.marked) number.append(element("span", { class: "unseen", text: ` ${t("viewer_quoted_row")}` }));
      line.append(number);
      for (const cell of row.cells) line.append(element("td", { text: cell }));
    }
    if (row.marked) target ??= line;
    body.append(line);
  }
  const whole = element("table", { lang: page.language }, page.columns.length > 0 && element("thead", {}, head), body);
  const sheet = element("div", { class: "viewer-table" }, path(page), goesOn(page.before, "viewer_before"), whole);
  if (!page.rows.length) sheet.append(element("p", { class: "viewer-more", text: t("viewer_empty") }));
  sheet.append(goesOn(page.after, "viewer_after") ?? "");
  return { element: sheet, target };
}

function text(page) {
  const sheet = element("div", { class: "viewer-text", lang: page.language }, path(page));
  sheet.append(goesOn(page.before, "viewer_before") ?? "");
  for (const paragraph of page.paragraphs) {
    const lines = element("p");
    // Offsets count characters, not the halves that some of them consist of here.
    const letters = paragraph.marks.length ? Array.from(paragraph.text) : [paragraph.text];
    let at = 0;
    for (const [start, end] of paragraph.marks) {
      lines.append(letters.slice(at, start).join(""), element("mark", { text: letters.slice(start, end).join("") }));
      at = end;
    }
    lines.append(letters.slice(at).join(""));
    sheet.append(lines);
  }
  if (!page.paragraphs.length) sheet.append(element("p", { class: "viewer-more", text: t("viewer_empty") }));
  sheet.append(goesOn(page.after, "viewer_after") ?? "");
  return { element: sheet, target: sheet.querySelector("mark") };
}

function path({ headings }) {
  return headings.length ? element("p", { class: "viewer-path", text: headings.join(" › ") }) : null;
}

function goesOn(does, key) {
  return does ? element("p", { class: "viewer-more", text: t(key) }) : null;
}
