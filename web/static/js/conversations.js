// The visitor's conversations: kept in this browser, shown in a panel, found again after a reload.
// What is shown in the chat is the server's matter; it comes here as JSON, and goes back there to be shown again.

import { on, send, state } from "./bridge.js";
import { ask, leaving } from "./conversations-dialogs.js";
import { told } from "./conversations-file.js";
import { Panel } from "./conversations-panel.js";
import { held, hold, release, remember, remembered, reloadOnce } from "./conversations-session.js";
import { Shelf } from "./conversations-shelf.js";
import { give, take } from "./conversations-transfer.js";
import { tidy } from "./store.js";
import { t } from "./texts.js";

const ANSWER_MS = 15_000;
const TURN_MS = 5000;
/** Told at the document when conversations are gone for good: {ids}. */
export const REMOVED = "lacerta-conversations-removed";

export function start() {
  const conversations = new Conversations();
  on("conversation", (detail) => conversations.happened(detail));
  on("branch", (detail) => conversations.branched(detail));
  on("left", (detail) => conversations.left(detail));
  on("drawn", () => conversations.drawn());
}

class Conversations {
  #shelf = new Shelf(() => this.#draw(), (message) => this.#later(() => this.#heard(message)));
  #branches = new Map();
  #forks = new Map();
  #undoable = [];
  #shown = "";
  #last = { json: "", domain: "" };
  #met = new Set();
  #asking = false;
  #pending = "";
  #waiting = [];
  #turn = Promise.resolve();
  #panel = new Panel({
    open: (id) => this.#open(id),
    begin: () => this.#begin(),
    rename: (id, name) => this.#shelf.rename(id, name),
    remove: (id) => this.#remove(id),
    removeAll: () => this.#removeAll(),
    importFiles: (files) => this.#import(files),
    exportAll: async () => this.#panel.say(await give(this.#shelf)),
  });

  constructor() {
    // What is being asked is not replaced by what was kept.
    const asks = (event) => {
      const typed = event.type === "keydown" && event.key === "Enter" && event.target.closest?.("#question");
      if (typed || (event.type === "click" && event.target.closest?.("#send, #examples"))) this.#asking = true;
    };
    document.addEventListener("keydown", asks, true);
    document.addEventListener("click", asks, true);
    on("asked", () => (this.#asking = true));
    addEventListener("pagehide", () => this.#forget());
    const every = () => this.#shelf.all.map(({ id }) => id);
    leaving(() => this.#shelf.all.length, () => this.#erase(every()), () => this.#shelf.tell({ kind: "visitor", owner: "" }));
  }

  /** The server told of the conversation that is shown. */
  happened(detail) {
    this.#asking = false;
    this.#waiting = this.#waiting.filter((waits) => !waits(detail));
    const { id, domain, json, count, why } = detail;
    if (count && ["asked", "stopped"].includes(why)) hold({ id, domain, json, count, owner: this.#shelf.owner });
    this.#later(() => this.#handle(detail));
  }

  /** A question was edited: a new conversation goes on from there. */
  branched({ from, to, at }) {
    this.#branches.set(to, { from, at });
  }

  /** The visitor turned to another domain while an answer was written. */
  left(detail) {
    this.#later(() => this.#keep(detail));
  }

  /** A question is kept at once: its answer may never come, where the page is left. */
  drawn() {
    const exchange = document.querySelector("#chat .exchange.open");
    const { id, domain } = state();
    if (!exchange || !this.#last.json || domain !== this.#last.domain) return;
    const number = Number(exchange.dataset.number);
    if (this.#pending === `${id} ${number}`) return;
    this.#pending = `${id} ${number}`;
    const conversation = JSON.parse(this.#last.json);
    // An answer that is asked for again stays until there is another.
    if ((this.#shelf.find(id)?.count ?? 0) >= number || conversation.exchanges.length < number - 1) return;
    const question = exchange.querySelector(".question")?.textContent ?? "";
    const exchanges = [...conversation.exchanges.slice(0, number - 1), { question, stopped: true }];
    this.#later(() => this.#keep({ id, domain, json: JSON.stringify({ ...conversation, exchanges }) }, true));
  }

  async #handle({ id, domain, why, count, json, owner }) {
    if (why === "refused") return;
    if (why === "arrived" && !(await this.#shelf.belongTo(owner ?? ""))) {
      this.#panel.note("store", t("conversations_not_kept"));
    }
    if (this.#shelf.owner === null) return;
    if (why === "arrived") await this.#keepHeld();
    const first = !this.#met.has(domain);
    this.#met.add(domain);
    this.#shown = id;
    this.#pending = "";
    this.#last = { json, domain };
    if (count) {
      if (why === "restored") this.#shelf.same(id, json);
      else await this.#keep({ id, domain, json, why });
      release();
      remember(domain, id);
    } else if (why === "cleared") remember(domain, "");
    this.#draw();
    const begun = state().asking || state().count;
    if (!count && first && why !== "cleared" && !begun) this.#reopen(domain);
  }

  /** The page was left before the last answer was kept. */
  async #keepHeld() {
    const last = held(this.#shelf.owner);
    release();
    const facts = last && this.#shelf.find(last.id);
    if (!last || facts?.count > last.count) return;
    if (facts) this.#shelf.seen(last.id, facts.revision);
    await this.#keep(last);
  }

  /** What was shown last in this tab, else the domain's last one. */
  async #reopen(domain) {
    const chosen = remembered(domain);
    const of = this.#shelf.all.filter((facts) => facts.domain === domain);
    const facts = of.find(({ id }) => id === chosen) ?? of[0];
    if (chosen === "" || !facts) return;
    if ((await this.#restore(facts)) === false) remember(domain, "");
  }

  async #keep({ id: named, domain, json, why }, provisional = false) {
    const id = this.#forks.get(named) ?? named;
    const said = told(JSON.parse(json));
    if (!said || this.#shelf.settled(id, json)) return;
    const old = this.#shelf.find(id);
    const branch = this.#branches.get(id);
    const edited = branch && branch.at > 1 ? { from: branch.from, edited: question(json, branch.at) } : {};
    const facts = {
      id, domain, name: old?.name ?? said.name, language: said.language, count: said.count,
      updated: why === "turned" && old ? old.updated : Date.now(), ...edited,
    };
    // Of a question what comes of it decides.
    if ((await this.#shelf.keep(facts, json, { provisional })) || provisional) return;
    // It is another by now, in another tab or because the server forgot it: both stay.
    const fork = await this.#shelf.fork(facts, json);
    // What else is told of it before that one is shown belongs there.
    if (fork) this.#forks.set(id, fork.id);
    this.#panel.say(t("conversations_conflict"));
    if (fork && this.#shown === id) this.#restore(fork);
  }

  async #open(id) {
    const facts = this.#shelf.find(id);
    if (!facts || (id === this.#shown && state().count)) return this.#panel.close();
    this.#panel.say("");
    await this.#settle();
    if (facts.domain !== state().domain) {
      const choice = titles().get(facts.domain)?.choice;
      if (!choice) return this.#panel.say(t("conversations_elsewhere", { domain: facts.domain }));
      this.#met.add(facts.domain);
      const turned = this.#next(["turned"], TURN_MS);
      choice.click();
      if (!(await turned)) return;
    }
    if (await this.#restore(facts, true)) this.#panel.close();
  }

  /** Whether it is shown now; null where something else is under way. */
  async #restore({ id, revision }, wanted = false) {
    const json = await this.#shelf.text(id);
    if (!json) {
      this.#panel.say(t("conversations_unreadable"));
      return false;
    }
    if (!wanted && (this.#asking || state().busy)) return null;
    this.#shelf.seen(id, revision);
    this.#forks.delete(id);
    const answer = this.#next(["restored", "refused"], ANSWER_MS);
    await send("restore", { json, id });
    const said = await answer;
    if (said?.why === "refused") this.#panel.say(said.message);
    return said && said.why === "restored";
  }

  async #begin() {
    await this.#settle();
    await this.#clear();
    this.#panel.close();
    document.querySelector("#question textarea")?.focus();
  }

  async #clear() {
    const cleared = this.#next(["cleared"], TURN_MS);
    await send("clear");
    await cleared;
  }

  /** What is being written is ended, and kept as far as it came. */
  async #settle() {
    if (!state().busy) return;
    // Whatever comes before that may be followed by it, and what is shown by then would be gone.
    const stopped = this.#next(["stopped"], TURN_MS);
    document.querySelector("#stop")?.click();
    await stopped;
    await this.#turn;
  }

  async #remove(id) {
    const facts = this.#shelf.find(id);
    if (!facts) return;
    const next = this.#panel.neighbour(id);
    const shown = id === this.#shown;
    this.#forget();
    this.#undoable = [id];
    const removed = await this.#shelf.take([id]);
    if (shown) await this.#clear();
    const run = async () => {
      this.#undoable = [];
      this.#panel.say(t("conversations_undone"));
      await this.#shelf.putBack(removed);
      this.#panel.focus(id);
      if (shown && !state().busy && !state().count) await this.#open(id);
    };
    this.#panel.say(t("conversations_deleted", { name: facts.name }), { label: "conversations_undo", run });
    this.#panel.focus(next);
  }

  async #removeAll() {
    const count = this.#shelf.all.length;
    const sure = await ask({
      title: t("conversations_delete_all_question", { count }), text: t("conversations_delete_all_explained"),
      choices: [["no", t("conversations_cancel")], ["yes", t("conversations_delete_all")]],
    });
    if (sure !== "yes") return;
    const ids = this.#shelf.all.map(({ id }) => id);
    await this.#erase(ids);
    if (ids.includes(this.#shown)) await this.#clear();
    this.#panel.say(t("conversations_deleted_all"));
    this.#panel.focus("");
  }

  async #erase(ids) {
    this.#forget();
    this.#undoable = ids;
    await this.#shelf.take(ids);
    this.#forget();
  }

  /** What was removed can't be brought back any more. */
  #forget() {
    if (this.#undoable.length) document.dispatchEvent(new CustomEvent(REMOVED, { detail: { ids: this.#undoable } }));
    this.#undoable = [];
  }

  async #import(files) {
    const { said, ids } = await take(this.#shelf, files);
    if (ids.length === 1) await this.#open(ids[0]);
    this.#panel.say(said);
  }

  /** What another tab did. */
  async #heard({ kind, owner, id, ids, provisional }) {
    if (this.#shelf.owner === null) return;
    if (kind === "removed") {
      this.#shelf.gone(ids);
      await this.#shelf.refresh();
      if (ids.includes(this.#shown)) await this.#clear();
    } else if (owner !== this.#shelf.owner) {
      if (kind === "visitor") this.#leave();
    } else if (kind !== "visitor") {
      this.#shelf.back(id);
      await this.#shelf.refresh();
      const facts = kind === "kept" && !provisional && id === this.#shown && this.#shelf.find(id);
      if (facts) this.#restore(facts);
    }
  }

  /** Another visitor has this browser now: what is shown is not for those eyes. */
  #leave() {
    this.#shelf.leave();
    document.querySelectorAll("#chat, #passages").forEach((shown) => shown.setAttribute("hidden", ""));
    reloadOnce();
  }

  #draw() {
    const { all, damaged, trouble } = this.#shelf;
    const names = titles();
    const run = () => this.#shelf.removeDamaged();
    const count = damaged.length;
    const troubles = { full: t("conversations_full"), fault: t("conversations_fault") };
    this.#panel.note("trouble", troubles[trouble] ?? "");
    this.#panel.note("damaged", count ? t("conversations_damaged", { count }) : "", { label: "conversations_damaged_remove", run });
    this.#panel.draw(all, { shown: this.#shown, title: (domain) => names.get(domain)?.title ?? domain });
  }

  /** One after the other: what is kept is what was told last. */
  #later(work) {
    this.#turn = this.#turn.then(work).catch((error) => console.warn(error));
  }

  /** The next event of the server for one of these reasons; null where none comes. */
  #next(reasons, milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), milliseconds);
      this.#waiting.push((detail) => {
        if (!reasons.includes(detail.why)) return false;
        clearTimeout(timer);
        resolve(detail);
        return true;
      });
    });
  }
}

/** The domains that can be chosen: title and control of each. */
function titles() {
  const inputs = [...document.querySelectorAll("#domain input[type=radio]")];
  return new Map(inputs.map((input) => [input.value, { choice: input, title: input.closest("label").textContent.trim() }]));
}

function question(json, at) {
  return tidy(JSON.parse(json).exchanges[at - 1]?.question ?? "");
}
