// Voices that read a text aloud. A speaker of another kind, say a voice that the server has, offers the same:
//
//   changed(listener)    listener is called when other voices are there
//   voices(language)     [{name, language, local}], the one to take first; local: the text stays on the device
//   speak(text, voice)   resolves with true when it was read to its end, with false when it was cancelled; rejects Fault
//   cancel()             silence, at once

/** Why something can't be read or heard; `code` is a name of the Web Speech API. */
export class Fault extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// Browsers that lose the end of an utterance leave the reader waiting for ever.
const LONGEST = 40_000;
// Some drop what follows upon a cancellation at once.
const BREATH = 60;

/** The browser's own voices; null where it has none of the kind. */
export function browserSpeaker() {
  const synthesis = window.speechSynthesis;
  const Utterance = window.SpeechSynthesisUtterance;
  if (!synthesis || !Utterance) return null;
  // Chromium forgets an utterance that nothing refers to, and its events with it.
  let current = null;
  let wanted = 0;

  const end = (whole) => {
    const ended = current;
    current = null;
    if (!ended) return;
    clearTimeout(ended.timer);
    ended.resolve(whole);
  };

  return {
    changed: (listener) => synthesis.addEventListener?.("voiceschanged", listener),

    voices(language) {
      const own = navigator.languages ?? [];
      const rank = (voice) => [!voice.localService, !own.includes(tag(voice)), !voice.default];
      return synthesis
        .getVoices()
        .filter((voice) => tag(voice).split("-")[0].toLowerCase() === language)
        .map((voice, place) => ({ voice, keys: [...rank(voice), place] }))
        .sort((one, other) => compare(one.keys, other.keys))
        .map(({ voice }) => ({ name: voice.name, language: tag(voice), local: voice.localService, own: voice }));
    },

    async speak(text, voice) {
      const mine = ++wanted;
      if (synthesis.speaking || synthesis.pending) {
        end(false);
        synthesis.cancel();
        await new Promise((resolve) => setTimeout(resolve, BREATH));
        if (mine !== wanted) return false;
      }
      return new Promise((resolve, reject) => {
        const utterance = new Utterance(text);
        utterance.voice = voice.own;
        utterance.lang = voice.language;
        end(false);
        const spoken = { utterance, resolve };
        current = spoken;
        spoken.timer = setTimeout(() => {
          if (current !== spoken) return;
          synthesis.cancel();
          end(true);
        }, LONGEST);
        utterance.onend = () => current === spoken && end(true);
        utterance.onerror = (event) => {
          if (current !== spoken) return;
          if (!["canceled", "interrupted"].includes(event.error)) reject(new Fault(event.error || "synthesis-failed"));
          // Of what was rejected nothing can be resolved any more.
          end(false);
        };
        // Left over by another page, a pause would hold this one, too.
        synthesis.resume();
        synthesis.speak(utterance);
      });
    },

    cancel() {
      wanted += 1;
      end(false);
      synthesis.cancel();
    },
  };
}

// Android writes hu_HU.
function tag(voice) {
  return (voice.lang || "").replace("_", "-");
}

function compare(one, other) {
  const differing = one.findIndex((key, place) => key !== other[place]);
  return differing < 0 ? 0 : Number(one[differing]) - Number(other[differing]);
}
