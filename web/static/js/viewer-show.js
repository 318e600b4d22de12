// What the source viewer's sheet shows: a place with its document's facts, its page, or why it can't be shown.

import { toClipboard } from "./clipboard.js";
import { element } from "./elements.js";
import { afterwards, prefetch, sized } from "./viewer-ahead.js";
import { facts, page as pageOf, pictureFailure, pictures } from "./viewer-load.js";
import { drawn, skeleton } from "./viewer-pages.js";
import { addressOf, exchangeOf, placeOf, quotesAround, sameQuote } from "./viewer-place.js";
import { fit, zoom } from "./viewer-size.js";
import { dateText, languageName, t } from "./texts.js";
import { errorText, reference } from "./viewer-words.js";

const PATIENCE = 200;
const FILE_IS_ANOTHER = new Set(["source_gone", "source_changed"]);

export class Show {
  // What is shown: its place, and once they are there its facts and page.
  #shown = null;
  #asked = 0;
  #sheet;

  constructor(sheet) {
    this.#sheet = sheet;
  }

  /** What is shown now, null for nothing; `failed` is the code of why it is not. */
  get place() {
    return this.#shown?.place ?? null;
  }

  get failed() {
    return this.#shown?.failed ?? "";
  }

  /** Shows a place, in `view` "text" as text. Where it was `turned` to, its quote may be on another page. */
  async open(place, { view = "", turned = false } = {}) {
    const mine = (this.#asked += 1);
    const sheet = this.#sheet;
    const before = this.#shown;
    const same = before?.place.document === place.document && before.place.domain === place.domain;
    if (!same) this.#forgetFacts();
    this.#shown = { place, view, facts: same ? before.facts : null, page: null, failed: "", drawing: before?.drawing };
    this.follow();
    sheet.dialog.setAttribute("aria-busy", "true");
    const waiting = setTimeout(() => {
      sheet.wait.hidden = false;
      sheet.status.textContent = t("viewer_loading");
      if (same && before.content && before.place.page === place.page) before.content.classList.add("viewer-past");
      else sheet.body.replaceChildren(skeleton(before?.page ?? undefined));
    }, PATIENCE);
    try {
      const about = facts(place).then((found) => {
        if (mine === this.#asked) this.#tellFacts(found);
        return found;
      });
      const [found, page] = await Promise.all([about, pageOf(place, view)]);
      if (mine !== this.#asked) return;
      const [quote] = page.quotes;
      if (!turned && quote && quote.page !== place.page) {
        // A passage may begin on a page before that of its quote.
        this.go({ ...place, page: quote.page }, true);
        return;
      }
      this.#shown = { ...this.#shown, facts: found, page };
      this.#draw();
    } catch (failure) {
      if (mine !== this.#asked) return;
      if (!failure.code) console.error(failure);
      this.#fail(failure.code ?? "internal", () => this.open(place, { view, turned }));
    } finally {
      clearTimeout(waiting);
      if (mine === this.#asked) {
        sheet.wait.hidden = true;
        sheet.dialog.removeAttribute("aria-busy");
      }
    }
  }

  /** Shows nothing any more. */
  end() {
    this.#asked += 1;
    this.#shown = null;
    this.#sheet.wait.hidden = true;
    this.#forgetFacts();
    this.#sheet.body.replaceChildren();
    this.follow();
  }

  /** The page in the size that there is room for. */
  fit() {
    const shown = this.#shown;
    if (!shown?.page) return;
    fit(this.#sheet.body, shown);
    this.size();
  }

  /** Asks for as large a picture as is shown. */
  size() {
    const { image, content, page } = this.#shown ?? {};
    if (image) image.sizes = sized(page, content.clientWidth);
  }

  zoom(by) {
    if (!this.#shown?.page) return;
    const size = zoom(this.#sheet.body, this.#shown, by);
    if (size) this.#sheet.status.textContent = `${Math.round(size * 100)} %`;
    this.size();
  }

  turn(by) {
    const { place, page, facts: about } = this.#shown ?? {};
    const number = place?.page + by;
    if (number >= 1 && number <= (page?.pages ?? about?.pages ?? 0)) this.go({ ...place, page: number }, true);
  }

  /** To another quote of the same answer. */
  step(by) {
    const { quotes, at } = this.#shown ?? {};
    if (at >= 0 && quotes[at + by]) this.go(quotes[at + by]);
  }

  /** As a picture or as text. */
  look() {
    const { place, page } = this.#shown;
    this.open(place, { view: page?.kind === "picture" ? "text" : "", turned: true });
  }

  go(place, turned = false) {
    history.replaceState(history.state, "", addressOf(place));
    // Text stays text where pages are turned.
    this.open(place, { view: turned ? this.#shown.view : "", turned });
  }

  async copy() {
    const { facts: about, page } = this.#shown;
    const [quote] = page?.quotes ?? [];
    if (!quote || !about) return;
    const { dialog, status, copyName } = this.#sheet;
    const done = await toClipboard(reference(quote.text, about, quote.page), dialog);
    status.textContent = copyName.textContent = t(done ? "viewer_copied" : "viewer_not_copied");
    setTimeout(() => (copyName.textContent = t("viewer_copy")), 2500);
  }

  /** Tells the quotes of the same answer, and marks the citation of the one that is shown. */
  follow() {
    for (const link of document.querySelectorAll("a.citation.viewed")) link.classList.remove("viewed");
    const shown = this.#shown;
    if (!shown) return;
    const quotes = quotesAround(shown.place);
    const at = quotes.findIndex((quote) => sameQuote(quote, shown.place));
    Object.assign(shown, { quotes, at });
    const sheet = this.#sheet;
    const pressed = document.activeElement;
    sheet.quotes.hidden = quotes.length < 2 || at < 0;
    sheet.number.textContent = quotes[at]?.number ?? "";
    sheet.number.hidden = at < 0;
    sheet.count.textContent = at < 0 ? "" : t("viewer_quote", { place: at + 1, count: quotes.length });
    sheet.back.disabled = at <= 0;
    sheet.forth.disabled = at < 0 || at === quotes.length - 1;
    this.#keepFocus(pressed);
    if (at < 0) return;
    for (const link of document.querySelectorAll("a.citation[data-document]")) {
      const [place, exchange] = [placeOf(link), exchangeOf(link)];
      link.classList.toggle("viewed", exchange === quotes[at].exchange && sameQuote(place ?? {}, shown.place));
    }
  }

  #draw() {
    const shown = this.#shown;
    const { page, place } = shown;
    const here = page.quotes[0]?.page === page.page;
    const { element: content, target, image: fresh } = drawn(page, here && place.start !== undefined ? page.quotes[0].text : "");
    // Another quote of the same page stands on the same picture.
    const image = fresh && shown.drawing?.picture === page.picture ? shown.drawing.image : fresh;
    if (image !== fresh) fresh.replaceWith(image);
    if (image?.complete && image.naturalWidth) content.classList.add("viewer-there");
    const unmarked = page.kind === "picture" && here && !target;
    this.#notice(page.notice ? this.#noticeText(page) : unmarked ? t("viewer_unmarked") : "");
    this.#sheet.body.replaceChildren(content);
    Object.assign(shown, { content, target, image, drawing: image && { picture: page.picture, image } });
    this.fit();
    if (image && image === fresh) {
      image.onload = () => image.parentElement?.classList.add("viewer-there");
      image.onerror = async () => {
        const failure = await pictureFailure(page);
        if (this.#shown?.image === image) this.#notice(errorText(failure.code));
      };
      image.srcset = pictures(page);
    }
    this.#tellPage();
    const next = shown.quotes[shown.at + 1];
    if (shown.at >= 0 && next) afterwards(() => prefetch(next));
  }

  #fail(code, again) {
    this.#shown.failed = code;
    const retry = element("button", { type: "button", class: "viewer-button", text: t("viewer_retry") });
    retry.addEventListener("click", again);
    const own = this.#shown.place.domain.startsWith("own:");
    const said = element("p", { text: errorText(code, own) });
    this.#notice("");
    this.#sheet.body.replaceChildren(element("div", { class: "viewer-failure", role: "alert" }, said, retry));
    this.#tellPage();
  }

  /** What a page that is shown all the same is not. */
  #noticeText({ notice, kind }) {
    const replaced = notice !== "unknown_chunk" && kind === "text";
    return replaced ? `${errorText(notice)} ${t("viewer_text_instead")}` : errorText(notice);
  }

  #notice(text) {
    this.#sheet.notice.textContent = text;
    this.#sheet.notice.hidden = !text;
  }

  #forgetFacts() {
    const sheet = this.#sheet;
    sheet.title.textContent = t("viewer_source");
    sheet.title.removeAttribute("lang");
    sheet.facts.replaceChildren();
    this.#notice("");
    for (const part of [sheet.original, sheet.file, sheet.paging, sheet.look]) part.hidden = true;
  }

  #tellFacts(found) {
    const { title, facts: list, original, file } = this.#sheet;
    title.textContent = found.title || found.source;
    title.lang = found.language;
    const said = [found.source, languageName(found.language), dateText(found.date), found.authors];
    list.replaceChildren(...said.filter(Boolean).map((text) => element("span", { text, title: text })));
    for (const [link, address] of [[original, found.url], [file, found.file]]) {
      link.hidden = !address;
      if (address) link.href = address;
    }
  }

  #tellPage() {
    const { place, facts: about, page } = this.#shown;
    const sheet = this.#sheet;
    const pages = page?.pages ?? about?.pages ?? 0;
    const paged = pages > 1 || (pages && about?.kind === "pdf");
    const said = paged ? t("viewer_page", { page: place.page, pages }) : "";
    const pressed = document.activeElement;
    sheet.paging.hidden = !paged;
    sheet.page.textContent = sheet.status.textContent = said;
    sheet.previous.disabled = place.page <= 1;
    sheet.next.disabled = place.page >= pages;
    const replaced = page?.kind === "text" && page.notice && page.notice !== "unknown_chunk";
    sheet.look.hidden = about?.kind !== "pdf" || !page || replaced;
    sheet.lookName.textContent = t(page?.kind === "picture" ? "viewer_as_text" : "viewer_as_picture");
    sheet.copy.disabled = !page?.quotes.length || place.start === undefined;
    if (FILE_IS_ANOTHER.has(page?.notice)) sheet.file.hidden = true;
    this.#keepFocus(pressed);
  }

  /** A button that can't be pressed any more would take the keyboard with it. */
  #keepFocus(pressed) {
    const lost = pressed?.disabled || pressed?.closest("[hidden]");
    if (lost && this.#sheet.dialog.contains(pressed)) this.#sheet.body.focus({ preventScroll: true });
  }
}
