// What can be done with an exchange: copy its answer with the references, ask again, edit the question and go on there.

import { on, send, state } from "./bridge.js";
import { toClipboard } from "./clipboard.js";
import { t } from "./texts.js";

let conversation = { exchanges: [], references: [] };

const actions = { copy, again, edit };

export function start() {
  on("conversation", ({ json }) => {
    if (json) conversation = JSON.parse(json);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-action]");
    if (button?.dataset.action === "example") send("ask", { text: button.textContent });
    const section = button?.closest(".exchange");
    const action = section && actions[button.dataset.action];
    if (action) action(section, exchangeOf(section), button);
  });
}

/** An exchange as it is in the conversation's JSON; what is not in it any more has its question alone. */
function exchangeOf(section) {
  const first = Number(document.querySelector("#chat .exchange")?.dataset.number ?? 1);
  // Of a very long conversation only the last exchanges are kept.
  const left = Number(section.dataset.number) - first - (count() - conversation.exchanges.length);
  return conversation.exchanges[left] ?? { question: section.querySelector(".question").innerText };
}

function count() {
  return document.querySelectorAll("#chat .exchange").length;
}

async function copy(section, exchange, button) {
  const done = await toClipboard(plain(exchange, section), section);
  const label = button.querySelector("span");
  label.textContent = t(done ? "chat_copied" : "chat_not_copied");
  document.getElementById("announced").textContent = label.textContent;
  // Else it is but a picture where there is little room.
  button.dataset.said = "";
  setTimeout(() => {
    label.textContent = t("chat_copy");
    delete button.dataset.said;
  }, 2500);
}

/** An answer as text, its references below. */
function plain(exchange, section) {
  const answer = exchange.answer;
  if (!answer) return section.querySelector(".answer").innerText;
  const documents = new Map(conversation.references.map((reference) => [reference.document, reference]));
  const pages = new Map();
  for (const { number, document: name, page } of answer.citations) {
    const known = pages.get(number) ?? { name, pages: new Set() };
    known.pages.add(page);
    pages.set(number, known);
  }
  const lines = [...pages].sort(([one], [other]) => one - other).map(([number, { name, pages: found }]) => {
    const reference = documents.get(name);
    if (!reference) return `[${number}]`;
    const where = reference.kind === "pdf" ? [t("page", { page: [...found].sort((a, b) => a - b).join(", ") })] : [];
    const address = reference.doi ? `https://doi.org/${reference.doi}` : reference.url || reference.source;
    return `[${number}] ${[reference.title, ...where, address].filter(Boolean).join(", ")}`;
  });
  return [answer.text.trim(), lines.join("\n")].filter(Boolean).join("\n\n") + "\n";
}

function again(section, exchange) {
  if (!state().busy) send("ask", { text: exchange.question, at: Number(section.dataset.number), fresh: true });
}

function edit(section, exchange, button) {
  const question = section.querySelector(".question");
  if (state().busy || section.querySelector("form.edit")) return;
  const form = document.createElement("form");
  form.className = "edit";
  const box = document.createElement("textarea");
  box.value = exchange.question;
  box.rows = Math.min(8, exchange.question.split("\n").length + 1);
  box.setAttribute("aria-label", t("chat_edit"));
  const note = document.createElement("p");
  note.className = "muted";
  note.textContent = t("chat_edit_note");
  const cancel = made("button", "chat_cancel", "button");
  form.append(box, note, cancel, made("button", "chat_edit_send", "submit"));
  const close = () => {
    form.remove();
    question.hidden = false;
    button.focus();
  };
  cancel.addEventListener("click", close);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text || state().busy) return;
    form.remove();
    question.hidden = false;
    send("ask", { text, at: Number(section.dataset.number) });
    document.querySelector("#question textarea")?.focus();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  question.hidden = true;
  question.after(form);
  box.focus();
  box.setSelectionRange(box.value.length, box.value.length);
}

function made(tag, key, type) {
  const element = document.createElement(tag);
  element.type = type;
  element.textContent = t(key);
  return element;
}
