// Reads an answer aloud, sentence by sentence, with the sentence marked that is heard.

import { sentences } from "./speech-sentences.js";
import { ask, button, choice, consent, consents, hide, show } from "./speech-strip.js";
import { language as own, t } from "./texts.js";

const MARK = "spoken";

export class Reading {
  #speaker;
  #number = null;
  #language = own;
  #sentences = [];
  #place = 0;
  #voice = null;
  #chosen = new Map();
  // Whatever was begun before the last change is over.
  #turn = 0;
  #paused = false;

  constructor(speaker) {
    this.#speaker = speaker;
  }

  get number() {
    return this.#number;
  }

  /** Reads the answer of an exchange; that which is read already is stopped. */
  async toggle(exchange) {
    const same = this.#number === exchange.dataset.number;
    this.stop();
    const text = exchange.querySelector(".answer .text");
    if (same || !text) return;
    this.#language = text.lang || own;
    this.#sentences = sentences(text, this.#language);
    const voices = this.#speaker.voices(this.#language);
    if (!voices.length) return show("failed", t("speech_no_voice", { language: t(this.#language) }), [this.#closing()]);
    const turn = ++this.#turn;
    const voice = voices.find(({ name }) => name === this.#chosen.get(this.#language)) ?? voices[0];
    if (!(await this.#allowed(voice)) || turn !== this.#turn) return;
    this.#number = exchange.dataset.number;
    this.#voice = voice;
    this.#place = 0;
    this.redrawn();
    await this.#read();
  }

  stop(words = "") {
    if (this.#number === null) return;
    this.#turn += 1;
    this.#number = null;
    this.#paused = false;
    this.#speaker.cancel();
    this.#mark(null);
    hide(words);
    this.#press();
  }

  /** The page drew its conversation anew: the text may stand elsewhere, or be gone. */
  redrawn() {
    if (this.#number === null) return;
    const text = this.#exchange()?.querySelector(".answer .text");
    const now = text ? sentences(text, this.#language) : [];
    if (now.map((each) => each.text).join("\n") !== this.#sentences.map((each) => each.text).join("\n")) return this.stop();
    this.#sentences = now;
    this.#mark(this.#sentences[this.#place]);
    this.#press();
  }

  async #read() {
    const turn = ++this.#turn;
    this.#paused = false;
    this.#controls();
    for (; this.#place < this.#sentences.length; this.#place += 1) {
      const sentence = this.#sentences[this.#place];
      this.#mark(sentence);
      try {
        await this.#speaker.speak(sentence.text, this.#voice);
      } catch (fault) {
        if (turn === this.#turn) this.#fail(fault);
        return;
      }
      if (turn !== this.#turn) return;
    }
    this.stop(t("speech_read"));
  }

  // On Android a pause of the browser's own can't be taken back: the sentence is read again instead.
  #pause() {
    this.#turn += 1;
    this.#paused = true;
    this.#speaker.cancel();
    this.#controls();
  }

  async #change(name) {
    const voice = this.#speaker.voices(this.#language).find((each) => each.name === name);
    const read = !this.#paused;
    if (!voice) return;
    this.#pause();
    const turn = this.#turn;
    if (await this.#allowed(voice)) {
      this.#chosen.set(this.#language, name);
      this.#voice = voice;
    }
    if (turn !== this.#turn) return;
    if (read) await this.#read();
    else this.#controls();
  }

  async #allowed(voice) {
    if (voice.local || consents().voice) return true;
    const answer = await ask(t("speech_voice_title"), [t("speech_voice_away", { voice: voice.name })], {
      agree: t("speech_voice_agree"),
    });
    if (answer) consent("voice", true);
    return Boolean(answer);
  }

  #controls() {
    const voices = this.#speaker.voices(this.#language).map(({ name, local }) => [
      name, local ? name : t("speech_voice_remote", { voice: name }),
    ]);
    const withdraw = () => {
      consent("voice", false);
      this.stop();
      show("failed", t("speech_withdrawn"), [this.#closing()]);
    };
    show(this.#paused ? "paused" : "reading", t(this.#paused ? "speech_paused" : "speech_reading"), [
      this.#paused ? button(t("speech_resume"), () => this.#read()) : button(t("speech_pause"), () => this.#pause()),
      button(t("speech_stop"), () => this.stop()),
      ...(voices.length > 1 ? [choice(t("speech_voice"), voices, this.#voice.name, (name) => this.#change(name))] : []),
      ...(this.#voice.local ? [] : [button(t("speech_withdraw"), withdraw, { class: "speech-quiet" })]),
    ]);
  }

  #fail(fault) {
    this.stop();
    const key = fault.code === "network" ? "speech_error_network" : "speech_error_reading";
    show("failed", t(key), [this.#closing()]);
  }

  #closing() {
    return button(t("speech_close"), () => hide());
  }

  #exchange() {
    return document.querySelector(`#chat .exchange[data-number="${CSS.escape(this.#number)}"]`);
  }

  #press() {
    for (const each of document.querySelectorAll('#chat [data-action="speak"]')) {
      const pressed = this.#number !== null && each.closest(".exchange") === this.#exchange();
      each.setAttribute("aria-pressed", pressed);
    }
  }

  // The text itself is left as it is: whoever copies it copies no marks.
  #mark(sentence) {
    const before = document.querySelector(".speech-block");
    const followed = !before || inSight(before);
    before?.classList.remove("speech-block", "speech-whole");
    globalThis.CSS?.highlights?.delete(MARK);
    if (!sentence) return;
    if (globalThis.Highlight && CSS.highlights) CSS.highlights.set(MARK, new Highlight(sentence.range));
    else sentence.block.classList.add("speech-whole");
    sentence.block.classList.add("speech-block");
    if (followed && !inSight(sentence.block)) sentence.block.scrollIntoView({ block: "nearest" });
  }
}

function inSight(block) {
  const { top, bottom } = block.getBoundingClientRect();
  const view = block.closest("#chat")?.getBoundingClientRect();
  return bottom > Math.max(0, view?.top ?? 0) && top < Math.min(innerHeight, view?.bottom ?? innerHeight);
}
