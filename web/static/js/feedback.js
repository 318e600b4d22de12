// Thumbs up and down: sent to /feedback, shown at the answer, kept in this browser as long as its conversation is.
// Whoever rates for the first time is told before what is kept of it.

import { on, state } from "./bridge.js";
import { REMOVED } from "./conversations.js";
import { Ratings } from "./feedback-kept.js";
import { Panel } from "./feedback-panel.js";
import { t } from "./texts.js";

const ADDRESS = "/feedback/";
const PATIENCE = 15_000;
const ELSEWHERE = ["arrived", "turned", "restored", "cleared"];

class Refused extends Error {}

export function start() {
  const feedback = new Feedback();
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.('[data-action="up"], [data-action="down"]');
    const identity = button?.closest("[data-answer]")?.dataset.answer;
    if (identity) feedback.chosen(identity, button.dataset.action);
  });
  on("drawn", () => feedback.draw());
  on("branch", ({ from, to }) => feedback.ratings.copy(from, to));
  on("conversation", ({ why }) => {
    if (ELSEWHERE.includes(why)) feedback.panel.close();
    feedback.draw();
  });
  document.addEventListener(REMOVED, ({ detail }) => feedback.ratings.forget(detail.ids));
}

class Feedback {
  ratings = new Ratings();
  #rules = null;
  #drafts = new Map();
  panel = new Panel({
    send: (identity, said) => this.#send(identity, said),
    undo: (identity) => this.#undo(identity),
    change: (identity) => this.#ask(identity, "down"),
    left: (identity, draft) => this.#drafts.set(identity, draft),
  });

  async chosen(identity, rating) {
    const known = this.ratings.get(identity);
    if (rating === "up" && known?.rating === "up") this.panel.thank(identity, known, await this.#kept(identity), true);
    else if (rating === "up" && this.ratings.told) await this.#send(identity, { rating });
    else await this.#ask(identity, rating);
  }

  draw() {
    for (const section of document.querySelectorAll("#chat [data-answer]")) {
      const rating = this.ratings.get(section.dataset.answer)?.rating;
      for (const name of ["up", "down"]) {
        section.querySelector(`[data-action="${name}"]`)?.setAttribute("aria-pressed", String(rating === name));
      }
    }
    this.panel.place();
  }

  async #ask(identity, rating) {
    const known = this.ratings.get(identity);
    const said = this.#drafts.get(identity) ?? (known?.rating === rating ? known : {});
    const rules = await this.#known();
    this.panel.ask(identity, { ...said, rating }, rules, await this.#kept(identity), known?.rating === rating);
  }

  async #send(identity, said) {
    const { rating, reason = "", correction = "" } = said;
    this.panel.wait(identity, said);
    try {
      await this.#call("POST", "", { id: identity, rating, reason, correction });
    } catch (error) {
      this.panel.fail(identity, said, words(error), await this.#kept(identity));
      return;
    }
    this.#drafts.delete(identity);
    this.ratings.set(identity, { rating, reason, correction }, state().id);
    this.draw();
    this.panel.thank(identity, said, await this.#kept(identity));
  }

  async #undo(identity) {
    const known = this.ratings.get(identity);
    this.panel.wait(identity, known);
    try {
      await this.#call("DELETE", identity);
    } catch (error) {
      this.panel.fail(identity, known, words(error), "", true);
      return;
    }
    this.ratings.remove(identity);
    this.draw();
    this.panel.undone(identity, known);
  }

  /** What is kept of a rating, in words; of what the visitor's own documents say, no text. */
  async #kept(identity) {
    const texts = (await this.#known()).texts && !aboutOwn(identity);
    return t(texts ? "feedback_kept_texts" : "feedback_kept_facts");
  }

  async #known() {
    try {
      this.#rules ??= await this.#call("GET", "");
    } catch (error) {
      console.warn(error);
    }
    // Where it can't be asked, the visitor is told of all that may be kept.
    return this.#rules ?? { texts: true, correction_characters: 2000, reasons: [] };
  }

  async #call(method, path, body) {
    const headers = body ? { "content-type": "application/json" } : {};
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await fetch(ADDRESS + path, { method, headers, body: body && JSON.stringify(body), signal });
    if (response.status === 401) throw new Refused(t("login_ended"));
    if (response.status === 429) throw new Refused(t("feedback_busy"));
    if (!response.ok) throw new Error(`${method} ${ADDRESS}: ${response.status}`);
    return response.json();
  }
}

function words(error) {
  if (error instanceof Refused) return error.message;
  console.warn(error);
  return t("feedback_failed");
}

/** Whether documents of the visitor's own were found for an answer: what they say is not kept. */
function aboutOwn(identity) {
  const { number } = document.querySelector(`#chat [data-answer="${CSS.escape(identity)}"]`)?.dataset ?? {};
  return Boolean(document.querySelector(`#passages [id^="p-${number}-"][data-document^="own-"]`));
}
