// What turns speech into text. A listener of another kind, say recognition by the server, offers the same:
//
//   where(language)      resolves with "device", "download" (then on the device) or "away": whoever made the browser
//                        may receive what is said
//   download(language)   resolves with whether the device can do it now
//   listen(language, local, {started, heard})
//                        {stop(), drop(), done}: heard(text) gets all that was understood so far; stop() ends it once
//                        what was said is understood, drop() at once; done resolves at the end with whether anything
//                        was understood, and rejects Fault. local: never "away"

import { Fault } from "./speech-speaker.js";

const REGIONS = { en: "en-US", hu: "hu-HU", ko: "ko-KR" };

/** The browser's own recognition; null where it has none. */
export function browserListener() {
  const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
  if (!Recognition) return null;
  const canStay =
    typeof Recognition.available === "function" && "processLocally" in (Recognition.prototype ?? {});

  return {
    async where(language) {
      if (!canStay) return "away";
      try {
        const found = await Recognition.available({ langs: [region(language)], processLocally: true });
        if (found === "available") return "device";
        const offered = found === "downloadable" || found === "downloading";
        return offered && typeof Recognition.install === "function" ? "download" : "away";
      } catch {
        // A policy may forbid it.
        return "away";
      }
    },

    async download(language) {
      try {
        return Boolean(await Recognition.install({ langs: [region(language)], processLocally: true }));
      } catch {
        return false;
      }
    },

    listen(language, local, { started, heard }) {
      const recognition = new Recognition();
      recognition.lang = region(language);
      recognition.interimResults = true;
      // One phrase: where it goes on for ever, Android gives everything twice.
      recognition.continuous = false;
      recognition.maxAlternatives = 1;
      if (local) recognition.processLocally = true;
      const done = new Promise((resolve, reject) => {
        let any = false;
        recognition.onstart = () => started();
        recognition.onresult = (event) => {
          const text = Array.from(event.results, (result) => result[0].transcript).join("").trim();
          any = any || Boolean(text);
          if (text) heard(text);
        };
        recognition.onerror = (event) => {
          if (event.error === "aborted" || (event.error === "no-speech" && any)) resolve(any);
          else reject(new Fault(event.error));
        };
        // After an error it is over already.
        recognition.onend = () => resolve(any);
        try {
          recognition.start();
        } catch (error) {
          reject(new Fault(error?.name === "NotAllowedError" ? "not-allowed" : "failed"));
        }
      });
      return { stop: () => recognition.stop(), drop: () => recognition.abort(), done };
    },
  };
}

/** The visitor's own kind of a language, else the most common one. */
function region(language) {
  return (navigator.languages ?? []).find((own) => own.startsWith(`${language}-`)) ?? REGIONS[language] ?? language;
}
