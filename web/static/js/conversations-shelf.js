// The conversations of one visitor: those that the store has, those that it had no room for, and what other tabs do.
// Knows nothing of how they are shown: `changed()` is called whenever there are others.

import { newIdentifier } from "./bridge.js";
import { openStore, StorageFull, tidy } from "./store.js";
import { told } from "./conversations-file.js";

export class Shelf {
  /** Whose they are: null until the server told, "" for whoever is not logged in. */
  owner = null;
  /** Facts, the newest first; `unkept` are those that are only here. */
  all = [];
  damaged = [];
  /** "" or why something could not be kept: full, fault. */
  trouble = "";
  #store = openStore();
  #tabs = "BroadcastChannel" in window ? new BroadcastChannel("lacerta") : null;
  #changed;
  // {facts, json} by id.
  #unkept = new Map();
  // By id: the revision last seen, what was kept last.
  #known = new Map();
  #kept = new Map();
  #gone = new Set();

  /** `heard(message)` is told what another tab did. */
  constructor(changed, heard) {
    this.#changed = changed;
    this.#tabs?.addEventListener("message", ({ data }) => heard(data));
  }

  /** Those of this visitor from now on; whether they outlast the page. */
  async belongTo(owner) {
    this.owner = owner;
    this.tell({ kind: "visitor", owner });
    await this.refresh();
    return (await this.#store).keeps;
  }

  tell(message) {
    this.#tabs?.postMessage(message);
  }

  find(id) {
    return this.all.find((facts) => facts.id === id);
  }

  async refresh() {
    if (this.owner === null) return;
    let found = { facts: [], damaged: [] };
    try {
      found = await (await this.#store).list(this.owner);
    } catch (error) {
      this.#failed(error);
    }
    const unkept = [...this.#unkept.values()].map(({ facts }) => ({ ...facts, unkept: true }));
    const kept = found.facts.filter(({ id }) => !this.#unkept.has(id));
    this.all = [...unkept, ...kept].sort((one, other) => other.updated - one.updated);
    this.damaged = found.damaged;
    this.#changed();
  }

  /** Nothing of what there was is shown any more. */
  leave() {
    this.owner = null;
    this.all = [];
    this.#changed();
  }

  /** The conversation as JSON; null where it can't be read. */
  async text(id) {
    return this.#unkept.get(id)?.json ?? (await (await this.#store).text(id));
  }

  /** What is shown is of this revision. */
  seen(id, revision) {
    this.#known.set(id, revision);
  }

  /** What is shown need not be kept again. */
  same(id, json) {
    this.#kept.set(id, json);
  }

  /** Whether another tab gave it up meanwhile, or it is as it was. */
  settled(id, json) {
    return this.#gone.has(id) || this.#kept.get(id) === json;
  }

  /** Keeps a conversation; false where it is another one by now. */
  async keep(facts, json, message = {}) {
    try {
      const kept = await (await this.#store).put({ ...facts, owner: this.owner }, json, this.#known.get(facts.id) ?? "");
      if (!kept) return false;
      this.#put(kept, json);
      this.tell({ kind: "kept", owner: this.owner, id: facts.id, ...message });
      if (this.#unkept.size) await this.#retry();
    } catch (error) {
      this.#failed(error);
      const revision = this.#known.get(facts.id) ?? "";
      this.#unkept.set(facts.id, { facts: { from: "", edited: "", ...facts, owner: this.owner, revision }, json });
    }
    await this.refresh();
    return true;
  }

  /** Keeps it beside the one that it was, under a name of its own; gives its facts. */
  async fork(facts, json) {
    const name = this.find(facts.id)?.renamed ? facts.name : told(JSON.parse(json)).name;
    const id = newIdentifier();
    await this.keep({ ...facts, id, name }, json);
    return this.find(id);
  }

  /** Another name; that of its first question where it is empty. */
  async rename(id, wanted) {
    const name = tidy(wanted);
    const json = await this.text(id);
    const facts = { name: name || told(parsed(json))?.name || "…", renamed: Boolean(name) };
    const unkept = this.#unkept.get(id);
    if (unkept) Object.assign(unkept.facts, facts);
    else await (await this.#store).rename(id, facts.name, facts.renamed);
    this.tell({ kind: "listed", owner: this.owner });
    await this.refresh();
  }

  /** Takes conversations away, in every tab; gives what `putBack` needs. */
  async take(ids) {
    const unkept = ids.map((id) => this.#unkept.get(id)).filter(Boolean);
    this.gone(ids);
    const removed = await (await this.#store).remove(ids);
    this.tell({ kind: "removed", ids });
    await this.#retry();
    await this.refresh();
    return { removed, unkept };
  }

  /** They are not kept again by what is still under way. */
  gone(ids) {
    for (const id of ids) {
      this.#gone.add(id);
      this.#unkept.delete(id);
    }
  }

  back(id) {
    this.#gone.delete(id);
  }

  async putBack({ removed, unkept }) {
    const kept = removed.filter(({ facts }) => facts);
    for (const { facts, json } of unkept) this.#unkept.set(facts.id, { facts, json });
    for (const { facts } of [...kept, ...unkept]) this.back(facts.id);
    try {
      await (await this.#store).putBack(kept);
      for (const { facts } of kept) this.tell({ kind: "kept", owner: this.owner, id: facts.id });
    } catch (error) {
      this.#failed(error);
      for (const { facts, text } of kept) this.#unkept.set(facts.id, { facts, json: text?.json ?? "" });
    }
    await this.refresh();
  }

  async removeDamaged() {
    await (await this.#store).remove(this.damaged);
    await this.refresh();
  }

  /** There may be room again for what could not be kept. */
  async #retry() {
    for (const { facts, json } of [...this.#unkept.values()]) {
      const { revision, ...rest } = facts;
      try {
        const store = await this.#store;
        const kept = await store.put(rest, json, revision);
        this.#put(kept ?? (await store.put({ ...rest, id: newIdentifier() }, json, "")), json);
        this.#unkept.delete(facts.id);
      } catch {
        return;
      }
    }
  }

  #put(facts, json) {
    this.seen(facts.id, facts.revision);
    this.same(facts.id, json);
    this.#unkept.delete(facts.id);
    if (!this.#unkept.size) this.trouble = "";
  }

  #failed(error) {
    this.trouble = error instanceof StorageFull ? "full" : "fault";
    if (this.trouble === "fault") console.warn("Conversations can't be read or kept:", error);
  }
}

/** What a JSON text holds; null where it is none. */
export function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
