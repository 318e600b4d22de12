// Questions to the visitor that have to be answered first: each a modal <dialog>.

import { element } from "./elements.js";
import { t } from "./texts.js";

/** The value of the chosen one of `choices` [[value, label], ...], the first of which has the focus; "" for none. */
export function ask({ title, text, choices }) {
  const heading = element("h2", { id: "ask-title", text: title });
  const explained = element("p", { id: "ask-text", text });
  const buttons = choices.map(([value, label], at) => element("button", { type: "submit", value, text: label, class: at ? null : "first" }));
  const dialog = element("dialog", { class: "ask", role: "alertdialog", "aria-labelledby": heading.id, "aria-describedby": explained.id },
    element("form", { method: "dialog" }, heading, explained, element("div", { class: "row-of-buttons" }, ...buttons)));
  document.body.append(dialog);
  dialog.showModal();
  buttons[0].focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

/** Offers to remove what is kept before a visitor logs out. `count` tells how many there are, `left` is told behind it. */
export function leaving(count, remove, left) {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (new URL(form.action, location.href).pathname !== "/logout") return;
    event.preventDefault();
    const chosen = count() ? await ask({
      title: t("log_out"), text: t("conversations_log_out", { count: count() }),
      choices: [["stay", t("conversations_cancel")], ["keep", t("conversations_log_out_keep")], ["remove", t("conversations_log_out_remove")]],
    }) : "keep";
    if (!["keep", "remove"].includes(chosen)) return;
    if (chosen === "remove") await remove();
    // The login has to be over when other tabs hear of it: they ask the server who they are.
    const answer = await fetch(form.action, { method: "POST" }).catch(() => null);
    left();
    if (answer?.ok) location.assign(answer.url);
    else form.submit();
  }, true);
}
