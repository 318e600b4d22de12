// What this browser keeps of its visitors' conversations: in IndexedDB, or in memory where it keeps nothing.
// Knows nothing of the page. The facts of all are read at once, the text of one (a conversation as JSON) by itself:
//
//   facts {id, owner, domain, name, renamed, language, count, updated (ms since 1970), revision, from, edited}

import { newIdentifier } from "./bridge.js";

const DATABASE = "lacerta";
const STORES = ["conversations", "texts"];
// What makes a database of version n + 1 of one of version n. A step that was released is never changed.
const STEPS = [(database) => STORES.forEach((name) => database.createObjectStore(name, { keyPath: "id" }))];
const LONGEST_NAME = 200;
const LATEST = 8.64e15;

export class StorageFull extends Error {}

/** The store; its `keeps` is false where everything is gone when the page is closed. */
export async function openStore() {
  try {
    const store = new Store(new Database());
    await store.list("");
    return store;
  } catch (error) {
    console.warn("This browser keeps no conversations:", error);
    return new Store(new Memory());
  }
}

/** A name as it is shown: one line, with no sign that hides or turns round what stands beside it. */
export function tidy(name) {
  const line = String(name).replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, "").trim();
  const signs = Array.from(line);
  return signs.length > LONGEST_NAME ? `${signs.slice(0, LONGEST_NAME - 1).join("").trimEnd()}…` : line;
}

class Store {
  #place;

  constructor(place) {
    this.#place = place;
    this.keeps = place.keeps;
  }

  /** {facts: those of an owner, the newest first; damaged: ids of what can't be read}. */
  list(owner) {
    return this.#place.run("readonly", ({ conversations }, give) => {
      conversations.all((records) => {
        const damaged = [];
        const facts = [];
        for (const record of records) {
          // Of another visitor not even that something is damaged is told.
          if (text(record?.owner) !== owner) continue;
          const read = readable(record);
          if (read) facts.push(read);
          else damaged.push(record.id);
        }
        give({ facts: facts.sort((one, other) => other.updated - one.updated), damaged });
      });
    });
  }

  /** The conversation as JSON; null where there is none. */
  text(id) {
    return this.#place.run("readonly", ({ texts }, give) => {
      texts.get(id, (record) => give(typeof record?.json === "string" ? record.json : null));
    });
  }

  /**
   * Keeps a conversation. `known` is the revision that it had when it was last seen here, "" for a new one.
   * Gives its facts, or null, and keeps nothing, where it is another by now: changed in another tab, or longer.
   * Throws StorageFull.
   */
  put(facts, json, known) {
    return this.#place.run("readwrite", ({ conversations, texts }, give) => {
      conversations.get(facts.id, (found) => {
        const there = found && readable(found);
        if (there ? there.revision !== known || facts.count < there.count : known !== "") {
          give(null);
          return;
        }
        const put = { ...found, ...facts, revision: newIdentifier() };
        if (there?.renamed) Object.assign(put, { name: there.name, renamed: true });
        conversations.put(put);
        texts.put({ id: facts.id, json });
        give(readable(put));
      });
    });
  }

  /** Gives another name. */
  rename(id, name, renamed) {
    return this.#place.run("readwrite", ({ conversations }, give) => {
      conversations.get(id, (found) => {
        if (found) conversations.put({ ...found, name, renamed });
        give(Boolean(found));
      });
    });
  }

  /** Removes conversations; gives what `putBack` needs. */
  remove(ids) {
    return this.#place.run("readwrite", ({ conversations, texts }, give) => {
      const removed = [];
      for (const id of ids) {
        conversations.get(id, (facts) => {
          texts.get(id, (kept) => {
            removed.push({ facts, text: kept });
            conversations.delete(id);
            texts.delete(id);
          });
        });
      }
      give(removed);
    });
  }

  /** Keeps again what was removed. Throws StorageFull. */
  putBack(removed) {
    return this.#place.run("readwrite", ({ conversations, texts }) => {
      for (const { facts, text: kept } of removed) {
        if (facts) conversations.put(facts);
        if (kept) texts.put(kept);
      }
    });
  }
}

class Database {
  keeps = true;
  #connection = null;

  async run(mode, work) {
    let transaction;
    try {
      transaction = (await this.#connect()).transaction(STORES, mode);
    } catch (error) {
      // Closed by the browser, as it does when the data of a site are removed.
      if (error.name !== "InvalidStateError") throw error;
      this.#connection = null;
      transaction = (await this.#connect()).transaction(STORES, mode);
    }
    return new Promise((resolve, reject) => {
      let given;
      transaction.oncomplete = () => resolve(given);
      transaction.onabort = () => {
        const error = transaction.error;
        reject(error?.name === "QuotaExceededError" ? new StorageFull(error.message) : error ?? new Error("aborted"));
      };
      const [conversations, texts] = STORES.map((name) => reading(transaction.objectStore(name)));
      work({ conversations, texts }, (value) => {
        given = value;
      });
    });
  }

  #connect() {
    this.#connection ??= connect(() => {
      this.#connection = null;
    });
    return this.#connection;
  }
}

/** An object store whose requests call back with their result. */
function reading(store) {
  const then = (request, use) => {
    request.onsuccess = () => use(request.result);
  };
  return {
    get: (id, use) => then(store.get(id), use),
    all: (use) => then(store.getAll(), use),
    put: (record) => store.put(record),
    delete: (id) => store.delete(id),
  };
}

function connect(closed) {
  return new Promise((resolve, reject) => {
    const open = (version) => {
      const request = version ? indexedDB.open(DATABASE, version) : indexedDB.open(DATABASE);
      request.onupgradeneeded = ({ oldVersion }) => STEPS.slice(oldVersion).forEach((step) => step(request.result));
      // Another tab has an older page open, which does not let go.
      request.onblocked = () => reject(new Error("blocked"));
      request.onerror = () => {
        // Made by a later version of this program: what is known of it may be there all the same.
        if (request.error.name === "VersionError" && version) open(0);
        else reject(request.error);
      };
      request.onsuccess = () => {
        const database = request.result;
        database.onversionchange = () => {
          database.close();
          closed();
        };
        database.onclose = closed;
        resolve(database);
      };
    };
    open(STEPS.length);
  });
}

class Memory {
  keeps = false;
  #stores = Object.fromEntries(STORES.map((name) => [name, new Map()]));

  async run(_, work) {
    let given;
    const of = (records) => ({
      get: (id, use) => use(records.get(id)),
      all: (use) => use([...records.values()]),
      put: (record) => records.set(record.id, record),
      delete: (id) => records.delete(id),
    });
    work({ conversations: of(this.#stores.conversations), texts: of(this.#stores.texts) }, (value) => {
      given = value;
    });
    return given;
  }
}

/** The facts of a record, also of one that an earlier version kept; null where it can't be shown. */
function readable(record) {
  const { id, domain, name, updated } = record;
  if (!/^[0-9a-f]{32}$/.test(id) || typeof domain !== "string" || !domain || typeof name !== "string") return null;
  if (!Number.isFinite(updated) || Math.abs(updated) > LATEST) return null;
  return {
    id,
    owner: text(record.owner),
    domain,
    name: tidy(name) || "…",
    renamed: record.renamed === true,
    language: /^[a-z]{2,3}$/.test(record.language) ? record.language : "",
    count: Number.isInteger(record.count) ? record.count : 0,
    updated,
    revision: text(record.revision),
    from: text(record.from),
    edited: tidy(text(record.edited)),
  };
}

function text(value) {
  return typeof value === "string" ? value : "";
}
