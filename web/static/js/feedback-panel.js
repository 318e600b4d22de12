// The small form beside an answer: why it was not useful, what would be right, what is kept, and the way back.
// It is not modal: the page goes on beside it. Knows nothing of how anything is sent.

import { element, icon } from "./elements.js";
import { t } from "./texts.js";

const REASONS = ["wrong", "incomplete", "source", "refused", "outdated", "language", "other"];
const NARROW = "(max-width: 560px)";
const GAP = 8;
const SHOWN = 12_000;
const FEW = 200;

export class Panel {
  #act;
  #identity = "";
  #rating = "";
  #asks = false;
  #held = false;
  #most = 2000;
  #timer = 0;
  #dialog = element("dialog", { id: "feedback", "aria-labelledby": "feedback-title" });
  #title = element("h2", { id: "feedback-title" });
  #reasons = element("div", { class: "reasons" });
  #correction = element("textarea", { id: "feedback-correction", rows: 3, "aria-describedby": "feedback-hint" });
  #left = element("span", { class: "left" });
  #fields;
  #kept = element("p", { class: "kept" });
  #status = element("p", { class: "said", role: "status" });
  #send = element("button", { type: "submit", class: "main" });
  #buttons = {};

  /** `act`: send(identity, {rating, reason, correction}), undo(identity), change(identity), left(identity, draft). */
  constructor(act) {
    this.#act = act;
    const group = element("fieldset", {}, element("legend", { text: t("feedback_reasons") }), this.#reasons);
    const label = element("label", { for: "feedback-correction", text: t("feedback_correction") });
    const hint = element("p", { id: "feedback-hint", class: "hint" }, t("feedback_correction_hint"), this.#left);
    this.#fields = element("div", { class: "fields" }, group, label, this.#correction, hint);
    const button = (name, work) => {
      this.#buttons[name] = element("button", { type: "button", text: t(`feedback_${name}`) });
      this.#buttons[name].addEventListener("click", work);
      return this.#buttons[name];
    };
    const buttons = element(
      "div",
      { class: "buttons" },
      this.#send,
      button("undo", () => this.#act.undo(this.#identity)),
      button("change", () => this.#act.change(this.#identity)),
      button("cancel", () => this.close(true)),
    );
    const close = element("button", { type: "button", class: "tool", "aria-label": t("feedback_close") }, icon("close"));
    close.addEventListener("click", () => this.close(true));
    const head = element("header", {}, this.#title, close);
    const form = element("form", { method: "dialog" }, head, this.#fields, this.#kept, this.#status, buttons);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act.send(this.#identity, { rating: this.#rating, ...this.#draft() });
    });
    this.#dialog.append(form);
    this.#correction.addEventListener("input", () => this.#count());
    this.#dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      this.close(true);
    });
    for (const kind of ["pointerenter", "focusin"]) this.#dialog.addEventListener(kind, () => clearTimeout(this.#timer));
    document.body.append(this.#dialog);
    addEventListener("resize", () => this.place());
    // What scrolls is not the window alone.
    document.addEventListener("scroll", () => this.place(), { capture: true, passive: true });
    document.addEventListener("pointerdown", (event) => {
      const inside = event.target.closest?.('#feedback, [data-action="up"], [data-action="down"]');
      // A form that is being filled in stays; what only thanks goes.
      if (!inside && !this.#asks) this.close();
    });
  }

  /** The form; for a thumb up it only says what is kept. `rated`: whether this is what was said before. */
  ask(identity, { rating, reason = "", correction = "" }, rules, kept, rated) {
    this.#show(identity, rating, rating === "up" ? "feedback_title_up" : "feedback_title", true);
    const names = REASONS.filter((name) => !rules.reasons.length || rules.reasons.includes(name));
    this.#reasons.replaceChildren(...names.map((name) => this.#reason(name, name === reason)));
    this.#most = rules.correction_characters;
    this.#correction.maxLength = this.#most;
    this.#correction.value = correction;
    this.#count();
    this.#fields.hidden = rating === "up";
    this.#say("", kept);
    this.#offer({ send: "feedback_send", undo: rated, cancel: true });
    this.place();
    const choice = this.#reasons.querySelector("input:checked") ?? this.#reasons.querySelector("input");
    (rating === "up" ? this.#send : choice).focus();
  }

  wait(identity, { rating }) {
    // What is hidden now loses the focus.
    this.#held = this.#dialog.contains(document.activeElement);
    if (this.#identity !== identity || !this.#dialog.open) this.#show(identity, rating, "feedback_sending", false);
    this.#say(t("feedback_sending"), this.#kept.textContent, "plain");
    this.#offer({});
    this.place();
  }

  /** `focused`: whether the way back is what was asked for. */
  thank(identity, { rating, reason = "", correction = "" }, kept, focused = false) {
    this.#show(identity, rating, "feedback_thanks", false);
    this.#fields.hidden = true;
    this.#say(t("feedback_thanks"), kept);
    this.#offer({ undo: true, change: rating === "down" && !reason && !correction });
    this.place();
    if (focused || this.#held) this.#buttons.undo.focus();
    else this.#leaveSoon();
  }

  undone(identity, { rating }) {
    this.#show(identity, rating, "feedback_undone", false);
    this.#fields.hidden = true;
    this.#say(t("feedback_undone"), "");
    this.#offer({});
    this.place();
    this.#button()?.focus();
    this.#leaveSoon();
  }

  /** What went wrong; what was typed is still there. `undoing`: it was the way back that failed. */
  fail(identity, { rating }, words, kept, undoing = false) {
    const asked = !this.#fields.hidden && this.#identity === identity;
    if (!asked) this.#show(identity, rating, rating === "up" ? "chat_up" : "chat_down", false);
    this.#asks = asked;
    this.#fields.hidden = !asked;
    this.#say(words, kept, "wrong");
    this.#offer(undoing ? { undo: true } : { send: "feedback_again", cancel: asked });
    this.place();
    (undoing ? this.#buttons.undo : this.#send).focus();
  }

  close(back = false) {
    if (!this.#dialog.open) return;
    clearTimeout(this.#timer);
    if (this.#asks) this.#act.left(this.#identity, this.#draft());
    this.#dialog.close();
    if (back) this.#button()?.focus();
  }

  /** Beside the button that it belongs to; where there is little room, at the foot of the page. */
  place() {
    if (!this.#dialog.open) return;
    const style = this.#dialog.style;
    const button = this.#button();
    if (matchMedia(NARROW).matches || !button) {
      style.left = style.top = "";
      return;
    }
    const around = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#dialog;
    const below = around.bottom + GAP;
    const above = around.top - GAP - height;
    const fits = below + height <= innerHeight - GAP || above >= GAP;
    const top = below + height <= innerHeight - GAP || !fits ? below : above;
    // Where it can stand neither below nor above, it stands beside, so that the answer can be read.
    style.left = `${clamp(fits ? around.left : around.right + GAP, innerWidth - width - GAP)}px`;
    style.top = `${clamp(top, innerHeight - height - GAP)}px`;
  }

  #button() {
    return document.querySelector(`#chat [data-answer="${CSS.escape(this.#identity)}"] [data-action="${this.#rating}"]`);
  }

  #show(identity, rating, title, asks) {
    clearTimeout(this.#timer);
    if (this.#asks && identity !== this.#identity) this.#act.left(this.#identity, this.#draft());
    this.#identity = identity;
    this.#rating = rating;
    this.#asks = asks;
    this.#title.textContent = t(title);
    // Not show(), which would take the focus from whoever only clicked.
    this.#dialog.open = true;
  }

  /** What is said is heard; it is seen where the title does not say it. */
  #say(words, kept, look = "unseen") {
    this.#status.textContent = words;
    this.#status.className = `said ${look}`;
    this.#kept.textContent = kept;
  }

  #offer({ send = "", ...others }) {
    this.#send.hidden = !send;
    this.#send.textContent = send && t(send);
    for (const [name, button] of Object.entries(this.#buttons)) button.hidden = !others[name];
  }

  #reason(name, chosen) {
    const choice = element("input", { type: "radio", name: "reason", value: name });
    choice.checked = chosen;
    return element("label", {}, choice, element("span", { text: t(`feedback_${name}`) }));
  }

  #draft() {
    if (this.#fields.hidden) return {};
    const reason = this.#reasons.querySelector("input:checked")?.value ?? "";
    return { reason, correction: this.#correction.value.trim() };
  }

  #count() {
    const left = this.#most - this.#correction.value.length;
    this.#left.textContent = left <= FEW ? t("feedback_left", { count: left }) : "";
  }

  #leaveSoon() {
    this.#timer = setTimeout(() => this.close(), SHOWN);
  }
}

function clamp(value, most) {
  return Math.max(GAP, Math.min(value, most));
}
