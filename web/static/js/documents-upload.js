// Sends a visitor's own documents to the server, one after the other, and asks it about them. Knows nothing of the page.

const ROUTE = "/documents/";
const NAME_LETTERS = 200;
const CODES = new Set([
  "uploads_off", "too_many_files", "too_large", "empty", "no_room", "disk_full", "busy", "unknown_visit", "unknown_file",
]);
const BY_STATUS = { 401: "login", 408: "offline", 413: "too_large", 429: "busy", 503: "busy", 504: "offline" };

/** Why something was not done: `code` is the server's, or `offline`, `login`, `stopped`. */
export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** What is taken in: {uploads, files, bytes, pages, hours}. */
export function rules() {
  return asked("GET", "");
}

/** The files of a visit: [{file, name, size, state, share, code, document, pages}]. */
export async function files(visit) {
  return (await asked("GET", visit)).files;
}

/** Deletes a file of a visit, or all of them; also while the page is left. */
export async function remove(visit, file = "") {
  return (await asked("DELETE", file ? `${visit}/${file}` : visit)).files;
}

/** Sends a file to a visit, or to a new one; `told` is given the share that is there. Gives {id, file}. */
export function send(file, visit, signal, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", ROUTE + visit);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("x-name", encoded(file.name));
    request.upload.addEventListener("progress", ({ loaded, total }) => told(total ? loaded / total : 0));
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText));
      else reject(new Refused(codeOf(request.status, request.responseText)));
    });
    // A folder, or a file that was changed meanwhile, can't be read either.
    request.addEventListener("error", () => reject(new Refused("offline")));
    request.addEventListener("abort", () => reject(new Refused("stopped")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** The end of a name, where its kind stands, as a header can carry it. */
function encoded(name) {
  try {
    return encodeURIComponent(name.slice(-NAME_LETTERS));
  } catch {
    // Half of a character.
    return "document";
  }
}

async function asked(method, path) {
  let answer;
  try {
    answer = await fetch(ROUTE + path, { method, keepalive: method === "DELETE" });
  } catch {
    throw new Refused("offline");
  }
  const text = await answer.text();
  if (!answer.ok) throw new Refused(codeOf(answer.status, text));
  return JSON.parse(text);
}

function codeOf(status, text) {
  try {
    const { code } = JSON.parse(text).error;
    if (CODES.has(code)) return code;
  } catch {
    // What stands between here and the server answers in its own way.
  }
  return BY_STATUS[status] ?? "internal";
}
