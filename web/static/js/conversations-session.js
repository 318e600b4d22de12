// What this tab remembers of itself until it is closed: which conversation of each domain it shows, and what it was told
// last, as long as that is not kept.

const OPEN = "lacerta-open";
const HELD = "lacerta-held";
const RELOADED = "lacerta-reloaded";
const RELOAD_MS = 10_000;

/** `id` is "" for an empty conversation. */
export function remember(domain, id) {
  session(OPEN, JSON.stringify({ ...opened(), [domain]: id }));
}

/** The id, "" for an empty conversation; undefined where none was remembered. */
export function remembered(domain) {
  const all = opened();
  return Object.hasOwn(all, domain) ? all[domain] : undefined;
}

/** At once, as no database could, for who leaves the page at this moment. */
export function hold(told) {
  session(HELD, JSON.stringify(told));
}

export function release() {
  session(HELD, "");
}

/** What was held when the page was left; null where all of it was kept, or it is another visitor's. */
export function held(owner) {
  try {
    const told = JSON.parse(session(HELD));
    return told.owner === owner ? told : null;
  } catch {
    return null;
  }
}

/** Loads the page anew, though not again and again. */
export function reloadOnce() {
  if (Date.now() - Number(session(RELOADED)) < RELOAD_MS) return;
  session(RELOADED, String(Date.now()));
  location.reload();
}

function opened() {
  try {
    return JSON.parse(session(OPEN)) ?? {};
  } catch {
    return {};
  }
}

function session(key, value) {
  try {
    return value === undefined ? sessionStorage.getItem(key) : sessionStorage.setItem(key, value);
  } catch {
    // Blocked: a reload forgets.
    return null;
  }
}
