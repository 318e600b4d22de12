// A part of the page that did not come, as where the connection broke, mostly comes with the next try: the page is loaded
// anew, once, and says so where that did not help. It stands in the page itself, so that it is never what is missing.
(() => {
  const TRIED = "lacerta-tried";
  const root = document.documentElement;
  // What is only told of early is asked for again when it is needed.
  const PARTS = 'script[type="module"], script[src^="/static/"], link[rel="stylesheet"]';
  const PATIENCE_MS = 30_000;
  const TURN_MS = 5_000;
  let missing = false;
  let late;

  const arrived = () => root.dataset.domain !== undefined;

  const session = (key, value) => {
    try {
      const before = sessionStorage.getItem(key);
      if (value) sessionStorage.setItem(key, value);
      else sessionStorage.removeItem(key);
      return before;
    } catch {
      // Blocked: a reload tells of itself.
      return performance.getEntriesByType("navigation")[0]?.type === "reload";
    }
  };

  const say = () => {
    const words = JSON.parse(document.getElementById("texts").textContent);
    const [line, button] = [document.createElement("p"), document.createElement("button")];
    line.id = "missing";
    line.role = "alert";
    line.style.cssText = "margin: 0; padding: 12px 16px; background: var(--bad); color: var(--bad-ink)";
    button.style.cssText = "min-height: 44px; padding: 0 12px";
    button.type = "button";
    button.textContent = words["chat_missing_reload"];
    button.addEventListener("click", () => location.reload());
    line.append(words["chat_missing"], " ", button);
    document.body.prepend(line);
  };

  const lacking = () => {
    if (missing || arrived()) return;
    missing = true;
    const typed = document.querySelector("#question textarea")?.value;
    // Found there by typed.js.
    if (typed) session("lacerta-typed", typed);
    if (!session(TRIED, "1")) location.reload();
    else if (document.readyState === "loading") addEventListener("DOMContentLoaded", say);
    else say();
  };

  // What is typed before the page can take it is kept for it, and sent when it can, see typed.js: where it has arrived,
  // and where the domain that was chosen is there.
  const ready = () => arrived() && root.dataset.turning === undefined;
  const box = (target) => target.closest?.("#question textarea");
  const send = (event, question) => {
    if (ready() || !question) return;
    event.preventDefault();
    event.stopPropagation();
    if (question.value.trim()) root.dataset.sent = question.value;
  };
  addEventListener("input", ({ target }) => !arrived() && box(target) && session("lacerta-typed", target.value), true);
  addEventListener("click", (event) => event.target.closest?.("#send") && send(event, document.querySelector("#question textarea")), true);
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event, box(event.target));
  }, true);

  addEventListener("change", ({ target }) => {
    if (!target.matches?.("#domain input")) return;
    root.dataset.turning = target.value;
    clearTimeout(late);
    // It does not come; what was sent stands in its box and can be sent again.
    late = setTimeout(() => ["turning", "sent"].forEach((name) => delete root.dataset[name]), TURN_MS);
  }, true);

  addEventListener("error", ({ target }) => target.matches?.(PARTS) && lacking(), true);
  addEventListener("vite:preloadError", lacking);
  addEventListener("load", () => setTimeout(lacking, PATIENCE_MS));
  new MutationObserver(() => {
    if (arrived()) session(TRIED);
    if (root.dataset.turning !== root.dataset.domain) return;
    clearTimeout(late);
    delete root.dataset.turning;
  }).observe(root, { attributeFilter: ["data-domain"] });
})();
