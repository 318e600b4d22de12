// Which documents belong to which conversation: by the conversation's name, in this browser.

const KEPT = "lacerta-own";
const BEGUN = "lacerta-own-begun";
const MOST = 300;

/** The visit of a conversation, "" where it has none. */
export function visitOf(conversation) {
  return read(localStorageOf(), KEPT)[conversation] ?? "";
}

/** Whether a conversation has that visit. */
export function isUsed(visit) {
  return Object.values(read(localStorageOf(), KEPT)).includes(visit);
}

/** A conversation has a visit from now on, or none. */
export function keep(conversation, visit) {
  const all = read(localStorageOf(), KEPT);
  delete all[conversation];
  if (visit) all[conversation] = visit;
  write(localStorageOf(), KEPT, Object.fromEntries(Object.entries(all).slice(-MOST)));
}

/** The visit of a domain's conversation in which nothing was asked yet: it has no name that outlasts the page. */
export function begun(domain) {
  return read(sessionStorageOf(), BEGUN)[domain] ?? "";
}

export function keepBegun(domain, visit) {
  const all = read(sessionStorageOf(), BEGUN);
  delete all[domain];
  if (visit) all[domain] = visit;
  write(sessionStorageOf(), BEGUN, all);
}

// Where a browser keeps nothing, it holds as long as the page is open.
const memory = { [KEPT]: "{}", [BEGUN]: "{}" };

function read(storage, key) {
  try {
    const kept = JSON.parse(storage?.getItem(key) ?? memory[key]);
    return kept && typeof kept === "object" ? Object.fromEntries(Object.entries(kept).filter(isVisit)) : {};
  } catch {
    return JSON.parse(memory[key]);
  }
}

function isVisit([, visit]) {
  return /^[0-9a-f]{32}$/.test(visit);
}

function write(storage, key, all) {
  memory[key] = JSON.stringify(all);
  try {
    storage?.setItem(key, memory[key]);
  } catch {
    // See above.
  }
}

function localStorageOf() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

function sessionStorageOf() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
