// The parts of the source viewer's sheet: a dialog with its tools, empty.

import { element, icon } from "./elements.js";
import { t } from "./texts.js";

/** The dialog and its parts; `act` has what the buttons do. */
export function build(act) {
  const tool = (key, drawing, work) => {
    const label = t(key);
    const button = element("button", { type: "button", class: "tool", title: label, "aria-label": label }, icon(drawing));
    button.addEventListener("click", work);
    return button;
  };
  const named = (key, drawing, work) => {
    const name = element("span", { text: t(key) });
    const button = element("button", { type: "button", class: "tool viewer-named" }, drawing && icon(drawing), name);
    button.addEventListener("click", work);
    return [button, name];
  };
  const link = (key) => {
    const attributes = { target: "_blank", rel: "noopener noreferrer", hidden: true, title: t("viewer_new_tab") };
    return element("a", attributes, element("span", { text: t(key) }), icon("open"));
  };

  const title = element("h2", { id: "viewer-title", text: t("viewer_source") });
  const facts = element("p", { class: "viewer-facts" });
  const [original, file] = [link("viewer_original"), link("viewer_file")];
  const page = element("span", { class: "viewer-page" });
  const previous = tool("viewer_previous_page", "left", () => act.turn(-1));
  const next = tool("viewer_next_page", "right", () => act.turn(1));
  const paging = element("div", { class: "viewer-group" }, previous, page, next);
  const [look, lookName] = named("viewer_as_text", null, act.look);
  const sizes = element(
    "div",
    { class: "viewer-group" },
    tool("viewer_zoom_out", "minus", () => act.zoom(-1)),
    tool("viewer_zoom_fit", "fit", () => act.zoom(0)),
    tool("viewer_zoom_in", "plus", () => act.zoom(1)),
  );
  const number = element("span", { class: "viewer-number" });
  const count = element("span", { class: "viewer-count" });
  const back = tool("viewer_previous_quote", "left", () => act.step(-1));
  const forth = tool("viewer_next_quote", "right", () => act.step(1));
  const quotes = element("div", { class: "viewer-group" }, back, count, forth);
  const [copy, copyName] = named("viewer_copy", "copy", act.copy);
  const wait = element("p", { class: "viewer-wait", hidden: true }, element("i"), element("span", { text: t("viewer_loading") }));
  const notice = element("p", { class: "viewer-notice", role: "status", hidden: true });
  const body = element("div", { class: "viewer-body", tabindex: "0", role: "region", "aria-label": t("viewer_content") });
  const status = element("p", { class: "unseen", role: "status" });

  look.hidden = true;
  const dialog = element(
    "dialog",
    { id: "viewer", "aria-labelledby": "viewer-title" },
    element(
      "header",
      {},
      element("div", { class: "viewer-top" }, number, title, tool("viewer_close", "close", act.close)),
      facts,
      element("p", { class: "viewer-links" }, original, file),
    ),
    element("div", { class: "viewer-tools", role: "group", "aria-label": t("viewer_tools") }, paging, look, sizes),
    notice,
    wait,
    body,
    element("footer", {}, quotes, copy),
    status,
  );
  return {
    dialog, title, facts, original, file, page, previous, next, paging, look, lookName, number, count, back, forth,
    quotes, copy, copyName, wait, notice, body, status,
  };
}
