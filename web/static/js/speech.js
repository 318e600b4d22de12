// Answers read aloud and questions spoken. What reads and what listens is behind two small interfaces, which
// speech-speaker.js and speech-listener.js describe; where the browser has none of either, nothing of it is shown.

import { on } from "./bridge.js";
import { Dictation } from "./speech-dictation.js";
import { browserListener } from "./speech-listener.js";
import { Reading } from "./speech-reading.js";
import { browserSpeaker } from "./speech-speaker.js";
import { place } from "./speech-strip.js";

export function start() {
  const speaker = browserSpeaker();
  const listener = browserListener();
  if (!speaker && !listener) return;
  const reading = speaker && new Reading(speaker);
  const dictation = listener && new Dictation(listener, () => reading?.stop());

  const silence = () => {
    reading?.stop();
    dictation?.drop();
  };

  if (speaker) {
    // Voices come late, and with the first of them the buttons.
    const look = () => {
      const any = ["en", "hu", "ko"].some((code) => speaker.voices(code).length);
      document.documentElement.toggleAttribute("data-voices", any);
    };
    speaker.changed(look);
    look();
    document.addEventListener("click", (event) => {
      const pressed = event.target.closest?.('#chat [data-action="speak"]');
      if (!pressed) return;
      dictation?.drop();
      reading.toggle(pressed.closest(".exchange")).catch((error) => console.error(error));
    });
  }

  on("drawn", () => {
    place();
    dictation?.place();
    reading?.redrawn();
  });
  on("asked", silence);
  on("conversation", ({ why }) => {
    if (["turned", "restored", "cleared"].includes(why)) silence();
  });
  addEventListener("pagehide", silence);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      reading?.stop();
      dictation?.stop();
    }
  });

  // Gradio draws the page after the modules have run.
  const wait = () => {
    if (place()) dictation?.place();
    else requestAnimationFrame(wait);
  };
  wait();
}
