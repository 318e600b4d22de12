// What this visitor said of answers, in localStorage by the answer's id: as long as a conversation has that answer.

const KEY = "lacerta-ratings";
const TOLD = "lacerta-ratings-told";
const MOST = 1000;

export class Ratings {
  // Where the browser keeps nothing, until the page is closed.
  #memory = {};
  #told = false;

  /** Whether the visitor was told once what is kept of a rating, and sent one. */
  get told() {
    return this.#told || read(TOLD) !== null;
  }

  /** {rating, reason, correction}; undefined for an answer that is not rated. */
  get(identity) {
    return this.#all()[identity];
  }

  set(identity, said, conversation) {
    this.#told = true;
    write(TOLD, "1");
    const all = this.#all();
    const places = new Set([...(all[identity]?.places ?? []), conversation]);
    delete all[identity];
    all[identity] = { ...said, places: [...places].slice(-20) };
    this.#keep(all);
  }

  remove(identity) {
    const all = this.#all();
    delete all[identity];
    this.#keep(all);
  }

  /** What one conversation has, another one has, too. */
  copy(from, to) {
    const all = this.#all();
    for (const said of Object.values(all)) if (said.places.includes(from)) said.places.push(to);
    this.#keep(all);
  }

  /** Conversations are gone. */
  forget(conversations) {
    const all = this.#all();
    for (const [identity, said] of Object.entries(all)) {
      said.places = said.places.filter((place) => !conversations.includes(place));
      if (!said.places.length) delete all[identity];
    }
    this.#keep(all);
  }

  #all() {
    try {
      const found = JSON.parse(read(KEY) ?? "null") ?? this.#memory;
      return Object.fromEntries(Object.entries(found).filter(([, said]) => Array.isArray(said?.places)));
    } catch {
      return {};
    }
  }

  #keep(all) {
    this.#memory = Object.fromEntries(Object.entries(all).slice(-MOST));
    write(KEY, JSON.stringify(this.#memory));
  }
}

function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch { /* blocked or full */ }
}
