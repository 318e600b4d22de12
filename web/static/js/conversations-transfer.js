// Import and export of a visitor's conversations. Each gives the sentence that says what became of it.

import { read, told, written } from "./conversations-file.js";
import { parsed } from "./conversations-shelf.js";
import { tidy } from "./store.js";
import { t } from "./texts.js";

const DOWNLOAD_MS = 15_000;

/** Takes in what files hold and is not there yet: {said, ids}. */
export async function take(shelf, files) {
  const ids = [];
  const bad = [];
  let same = 0;
  for (const file of files) {
    const found = read(await file.text());
    if (!found) bad.push(t("conversations_bad_file", { name: tidy(file.name) }));
    for (const { facts, json } of found ?? []) {
      if (await has(shelf, facts, json)) same += 1;
      else if (await shelf.keep(facts, json)) ids.push(facts.id);
    }
  }
  const said = [
    ids.length || !bad.length ? t("conversations_imported", { count: ids.length }) : "",
    same ? t("conversations_same", { count: same }) : "", ...bad,
  ];
  return { said: said.filter(Boolean).join(" "), ids };
}

/** Gives the visitor a file of all that can be read. */
export async function give(shelf) {
  const held = [];
  for (const facts of shelf.all) {
    const json = await shelf.text(facts.id);
    if (json && told(parsed(json))) held.push({ facts, json });
  }
  const address = URL.createObjectURL(new Blob([written(held)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `lacerta-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), DOWNLOAD_MS);
  const left = shelf.all.length - held.length;
  const missing = left ? [t("conversations_damaged", { count: left })] : [];
  return [t("conversations_exported", { count: held.length }), ...missing].join(" ");
}

/** Whether there is one with the same questions and answers. */
async function has(shelf, facts, json) {
  const exchanges = (text) => JSON.stringify(parsed(text)?.exchanges);
  for (const one of shelf.all) {
    if (one.domain !== facts.domain || one.count !== facts.count) continue;
    const text = await shelf.text(one.id);
    if (text && exchanges(text) === exchanges(json)) return true;
  }
  return false;
}
