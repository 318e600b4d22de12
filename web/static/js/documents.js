// The visitor's own documents: dropped, pasted or chosen, sent to the server, and searched for this conversation alone.
// They are the server's for as long as they are used; which conversation has which stands in this browser.

import { on, setAttachments } from "./bridge.js";
import { REMOVED } from "./conversations.js";
import { begun, isUsed, keep, keepBegun, visitOf } from "./documents-kept.js";
import { build, errorOf, limits, stateOf } from "./documents-list.js";
import { Refused, files, remove, rules, send } from "./documents-upload.js";
import { t } from "./texts.js";

const LOOK_MS = 700;
const SLOWLY_MS = 3000;
const PATIENT_MS = 30_000;

let own = null;

/** The visit whose documents the conversation that is shown has, "" for none. */
export function visit() {
  return own?.visit ?? "";
}

export function start() {
  own = new Own();
}

class Own {
  visit = "";
  #conversation = "";
  // By conversation, in this page; and those that something was asked in, which are kept in the browser.
  #visits = new Map();
  #named = new Set();
  #domain = "";
  #rules = null;
  // What the server has of the visit, and what is on its way there: {key, name, size, share, state, code, stop}.
  #there = [];
  #coming = [];
  #message = "";
  #timer = 0;
  #since = 0;
  #turn = Promise.resolve();
  #dragged = 0;
  #parts = build({ add: (chosen) => this.#add(chosen), remove: (key) => this.#remove(key) });

  constructor() {
    this.#stand();
    on("conversation", (told) => this.#show(told));
    on("branch", ({ from, to }) => visitOf(from) && keep(to, visitOf(from)));
    on("asked", ({ id }) => this.#asked(id));
    on("drawn", () => this.#stand());
    document.addEventListener(REMOVED, ({ detail }) => this.#forget(detail.ids));
    document.addEventListener("paste", (event) => this.#pasted(event));
    for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
      document.addEventListener(kind, (event) => this.#dragging(event));
    }
    document.addEventListener("visibilitychange", () => document.hidden || this.#look());
    this.#learn();
  }

  async #learn() {
    try {
      this.#rules = await rules();
    } catch (refused) {
      // Without them nothing is offered; the server holds its limits anyway.
      console.warn(refused);
    }
    this.#draw();
  }

  /** Gradio may draw its part of the page anew. */
  #stand() {
    const { bar, veil } = this.#parts;
    const place = document.getElementById("own");
    if (place && bar.parentElement !== place) place.append(bar);
    if (!veil.isConnected) document.body.append(veil);
  }

  /** Another conversation is shown, or the same with one exchange more. */
  async #show({ id, domain, count, why }) {
    if (why === "refused") return;
    const same = id === this.#conversation;
    this.#conversation = id;
    this.#domain = domain;
    if (count) this.#named.add(id);
    if (same) return;
    if (why === "cleared") keepBegun(domain, "");
    const kept = visitOf(id) || this.#visits.get(id) || (count ? "" : begun(domain));
    if (kept) this.#visits.set(id, kept);
    this.visit = kept;
    this.#there = [];
    this.#coming = [];
    this.#message = "";
    setAttachments(kept ? [kept] : []);
    this.#draw();
    await this.#look();
  }

  /** From now on the conversation has a name that is kept. */
  #asked(id) {
    keepBegun(this.#domain, "");
    this.#named.add(id);
    if (this.visit && !visitOf(id)) keep(id, this.visit);
  }

  /** A conversation has a visit from now on. */
  #keep(conversation, domain, given) {
    this.#visits.set(conversation, given);
    if (this.#named.has(conversation)) keep(conversation, given);
    else keepBegun(domain, given);
  }

  async #look() {
    clearTimeout(this.#timer);
    const { visit: asked } = this;
    if (!asked) return;
    try {
      const found = await files(asked);
      if (asked === this.visit) this.#told(found);
    } catch (refused) {
      if (asked !== this.visit) return;
      if (refused.code === "unknown_visit") this.#lost();
    }
    const open = this.#there.some(({ state: now }) => now !== "ready" && now !== "failed");
    const slowly = document.hidden || performance.now() - this.#since > PATIENT_MS;
    if (open && asked === this.visit) this.#timer = setTimeout(() => this.#look(), slowly ? SLOWLY_MS : LOOK_MS);
  }

  #told(found) {
    const before = new Map(this.#there.map((file) => [file.key, file]));
    this.#there = found.map((file) => ({ ...file, key: file.file, removing: before.get(file.file)?.removing }));
    for (const file of this.#there) {
      const was = before.get(file.key)?.state;
      if (!was || was === file.state) continue;
      if (file.state === "ready") this.#parts.say(t("own_said_ready", { name: file.name }));
      if (file.state === "failed") this.#parts.say(`${file.name}: ${errorOf(file.code, this.#rules)}`);
    }
    this.#draw();
  }

  /** The server has deleted them, because they were not used for so long. */
  #lost() {
    keep(this.#conversation, "");
    this.#visits.delete(this.#conversation);
    keepBegun(this.#domain, "");
    this.visit = "";
    this.#there = [];
    setAttachments([]);
    this.#message = t("own_lost", { count: this.#rules?.hours ?? 24 });
    this.#draw();
  }

  #add(chosen) {
    if (!chosen.length || !this.#rules?.uploads || !this.#conversation) return;
    this.#message = "";
    const there = [this.#conversation, this.#domain];
    const said = [];
    for (const file of chosen) {
      const held = this.#there.length + this.#coming.filter(({ code }) => !code).length;
      const stop = new AbortController();
      const row = { key: `coming-${crypto.randomUUID?.() ?? Math.random()}`, name: file.name, state: "sending", share: 0, stop };
      if (held >= this.#rules.files) {
        this.#message = errorOf("too_many_files", this.#rules);
        break;
      }
      row.code = file.size > this.#rules.bytes ? "too_large" : file.size ? "" : "empty";
      this.#coming.push(row);
      said.push(`${row.name}: ${stateOf(row, this.#rules)}`);
      if (!row.code) this.#later(() => this.#send(file, row, ...there));
    }
    this.#draw();
    this.#parts.say(said.join("\n"));
    this.#parts.show();
  }

  async #send(file, row, conversation, domain) {
    if (row.stop.signal.aborted) return;
    const asked = this.#visits.get(conversation) ?? "";
    try {
      const { id, file: taken } = await send(file, asked, row.stop.signal, (share) => {
        row.share = share;
        this.#draw();
      });
      this.#keep(conversation, domain, id);
      if (conversation !== this.#conversation) return;
      this.visit = id;
      setAttachments([id]);
      this.#coming = this.#coming.filter((other) => other !== row);
      if (!this.#there.some(({ key }) => key === taken.file)) this.#there.push({ ...taken, key: taken.file });
      this.#since = performance.now();
      await this.#look();
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      if (refused.code === "unknown_visit" && conversation === this.#conversation && asked) {
        this.#lost();
        await this.#send(file, row, conversation, domain);
        return;
      }
      row.code = refused.code;
      if (row.code !== "stopped") this.#parts.say(`${row.name}: ${errorOf(row.code, this.#rules)}`);
    }
    this.#draw();
  }

  async #remove(key) {
    const coming = this.#coming.find((row) => row.key === key);
    if (coming) {
      coming.stop.abort();
      this.#coming = this.#coming.filter((row) => row !== coming);
      this.#parts.say(t("own_said_removed", { name: coming.name }));
      this.#draw();
      return;
    }
    const file = this.#there.find((row) => row.key === key);
    if (!file || file.removing) return;
    file.removing = true;
    this.#message = "";
    this.#draw();
    const asked = this.visit;
    try {
      const left = await remove(asked, key);
      if (asked !== this.visit) return;
      this.#told(left);
      this.#parts.say(t("own_said_removed", { name: file.name }));
    } catch (refused) {
      if (refused.code === "unknown_visit") this.#lost();
      else if (refused.code !== "unknown_file") this.#message = errorOf(refused.code, this.#rules);
      file.removing = false;
      await this.#look();
    }
    this.#draw();
  }

  /** Conversations are gone for good, and with them what no other one has. */
  #forget(ids) {
    for (const id of ids) {
      const gone = visitOf(id);
      if (!gone) continue;
      keep(id, "");
      if (!isUsed(gone)) remove(gone).catch((refused) => console.warn(refused.code));
    }
  }

  #pasted(event) {
    const chosen = [...(event.clipboardData?.files ?? [])];
    // A text that comes with a picture of itself, as from a word processor, is meant as text.
    if (!chosen.length || event.clipboardData.types.includes("text/plain") || document.querySelector("dialog:modal")) return;
    event.preventDefault();
    this.#add(chosen);
  }

  #dragging(event) {
    if (!this.#rules?.uploads || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    if (event.type === "dragenter") this.#dragged += 1;
    if (event.type === "dragleave") this.#dragged -= 1;
    if (event.type === "drop") {
      this.#dragged = 0;
      const items = [...event.dataTransfer.items].map((item) => [item.getAsFile(), item.webkitGetAsEntry?.()]);
      const folders = items.some(([, entry]) => entry?.isDirectory);
      this.#add(items.filter(([file, entry]) => file && !entry?.isDirectory).map(([file]) => file));
      if (folders) this.#message = t("own_error_folder");
      this.#draw();
    }
    this.#parts.veil.hidden = this.#dragged < 1;
    this.#parts.veil.lastChild.textContent = this.#rules ? `${t("own_drop")} ${limits(this.#rules)}` : t("own_drop");
  }

  #draw() {
    this.#stand();
    const rows = [...this.#there, ...this.#coming].map((row) => ({ ...row, words: stateOf(row, this.#rules) }));
    // Before the server told of a conversation, there is none to add to.
    this.#parts.draw(rows, this.#rules, this.#message, Boolean(this.#conversation));
  }

  /** One file after the other. */
  #later(work) {
    this.#turn = this.#turn.then(work).catch((error) => console.warn(error));
  }
}
