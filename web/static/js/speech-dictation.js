// Speech into the question box: by the device where it can, else by the browser's vendor, who is named first.

import { element, icon } from "./elements.js";
import { ask, button, choice, consent, consents, hide, show } from "./speech-strip.js";
import { language as own, t } from "./texts.js";

const LANGUAGES = ["en", "hu", "ko"];
const FAULTS = {
  "not-allowed": "speech_error_not_allowed",
  "service-not-allowed": "speech_error_not_allowed",
  "audio-capture": "speech_error_no_microphone",
  network: "speech_error_network",
  "no-speech": "speech_error_no_speech",
  "language-not-supported": "speech_error_language",
};

export class Dictation {
  #listener;
  #begins;
  #language = own;
  // What is being listened to, or prepared; null where nothing is.
  #session = null;
  #button = button("", () => this.toggle(), { id: "microphone", "aria-pressed": "false" });

  /** `begins` is called before the microphone opens. */
  constructor(listener, begins) {
    this.#listener = listener;
    this.#begins = begins;
    this.#button.append(icon("microphone", 22), element("span", { class: "unseen" }, t("speech_microphone")));
    this.#button.title = t("speech_microphone");
    // Whoever types or asks has said enough: nothing that is understood later may come into the box.
    document.addEventListener("input", (event) => event.isTrusted && event.target === box() && this.drop());
    document.addEventListener("keydown", (event) => event.key === "Enter" && event.target === box() && this.drop(), true);
    document.addEventListener("click", (event) => event.target.closest?.("#send") && this.drop(), true);
  }

  /** Puts the microphone beside the question box, again where it was lost. */
  place() {
    const question = document.getElementById("question");
    if (question && question.nextElementSibling !== this.#button) question.after(this.#button);
  }

  async toggle() {
    if (this.#session) return this.stop();
    this.#begins();
    await this.#begin();
  }

  /** What was said until now is still understood. */
  stop() {
    const session = this.#session;
    if (!session?.stop || session.ends) return this.drop();
    session.ends = true;
    session.stop();
  }

  /** What was understood until now stays in the box, and nothing is added. */
  drop() {
    this.#session?.drop?.();
    this.#over(this.#session);
  }

  async #begin() {
    const session = {};
    this.#session = session;
    const where = await this.#permitted();
    if (this.#session !== session) return;
    if (!where) return this.#over(session);
    this.#press(true);
    this.#tell("waiting", t("speech_waiting"), where);
    const before = box()?.value.trimEnd() ?? "";
    const { stop, drop, done } = this.#listener.listen(this.#language, where === "device", {
      started: () => this.#session === session && this.#tell("listening", this.#listening(where), where),
      // What comes late, after another question was begun, is not wanted.
      heard: (text) => this.#session === session && write(before ? `${before} ${text}` : text),
    });
    Object.assign(session, { stop, drop });
    try {
      const any = await done;
      if (this.#session !== session) return;
      this.#over(session, any ? t("speech_heard") : "");
      box()?.focus();
    } catch (fault) {
      if (this.#session === session) this.#fail(fault);
    }
  }

  /** "device" or "away"; "" where the visitor does not want it. */
  async #permitted() {
    const session = this.#session;
    const where = await this.#listener.where(this.#language);
    if (this.#session !== session) return "";
    if (where === "device" || (where === "away" && consents().microphone)) return where;
    const spoken = t(this.#language);
    if (where === "away") return this.#asked([t("speech_away", { language: spoken })], { away: t("speech_agree") });
    const answers = { device: t("speech_download_agree"), away: t("speech_agree") };
    const answer = await this.#asked([t("speech_download", { language: spoken }), t("speech_else_away")], answers);
    if (answer !== "device") return answer;
    this.#tell("waiting", t("speech_downloading", { language: spoken }), answer);
    if (await this.#listener.download(this.#language)) return "device";
    if (this.#session === session) this.#fail({ code: "language-not-supported" });
    return "";
  }

  async #asked(paragraphs, answers) {
    const answer = await ask(t("speech_title"), paragraphs, answers);
    if (answer === "away") consent("microphone", true);
    return answer;
  }

  #listening(where) {
    return `${t("speech_listening")} ${t(where === "device" ? "speech_on_device" : "speech_by_vendor")}`;
  }

  #tell(kind, words, where = "") {
    const languages = LANGUAGES.map((code) => [code, t(code)]);
    const listens = kind !== "failed";
    const withdraw = () => {
      consent("microphone", false);
      this.drop();
      show("failed", t("speech_withdrawn"), [button(t("speech_close"), () => hide())]);
    };
    show(kind, words, [
      listens ? button(t("speech_microphone_stop"), () => this.stop()) : button(t("speech_close"), () => hide()),
      choice(t("speech_language"), languages, this.#language, (chosen) => this.#turn(chosen)),
      ...(where === "away" ? [button(t("speech_withdraw"), withdraw, { class: "speech-quiet" })] : []),
    ]);
  }

  async #turn(language) {
    this.drop();
    this.#language = language;
    await this.#begin();
  }

  #fail(fault) {
    this.#over(this.#session);
    this.#tell("failed", t(FAULTS[fault.code] ?? "speech_error_listening", { language: t(this.#language) }));
  }

  #over(session, words = "") {
    if (!session || this.#session !== session) return;
    this.#session = null;
    this.#press(false);
    hide(words);
  }

  #press(pressed) {
    const label = t(pressed ? "speech_microphone_stop" : "speech_microphone");
    this.#button.setAttribute("aria-pressed", pressed);
    this.#button.title = label;
  }
}

function box() {
  return document.querySelector("#question textarea");
}

function write(text) {
  const area = box();
  if (!area) return;
  // Gradio learns of it as if it had been typed.
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(area, text);
  area.dispatchEvent(new Event("input", { bubbles: true }));
}
