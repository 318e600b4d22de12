// What the page does by itself: follow a citation to its passage, and keep the newest words in sight.
(() => {
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a.citation[href^="#"]');
    if (!link) return;
    // The page has a base address, against which a bare fragment would load the page anew.
    event.preventDefault();
    const passage = document.getElementById(link.getAttribute("href").slice(1));
    if (!passage) return;
    const folded = passage.closest("details");
    if (folded) folded.open = true;
    passage.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "center" });
    passage.focus({ preventScroll: true });
    document.querySelectorAll(".passage.shown").forEach((other) => other.classList.remove("shown"));
    passage.classList.add("shown");
  });

  // A new question is kept at the top while its answer grows, until the visitor moves the view.
  let seen = 0;
  let kept = false;
  for (const kind of ["wheel", "touchmove", "pointerdown"]) {
    document.addEventListener(kind, (event) => {
      if (event.target.closest?.("#chat")) kept = false;
    }, { passive: true });
  }
  new MutationObserver(() => {
    const chat = document.getElementById("chat");
    if (!chat) return;
    const exchanges = chat.querySelectorAll(".exchange");
    const last = exchanges[exchanges.length - 1];
    if (exchanges.length > seen && last) {
      kept = true;
      const panel = document.getElementById("sources");
      if (panel) panel.scrollTo({ top: 0 });
    }
    if (kept && last) chat.scrollTo({ top: last.offsetTop - chat.offsetTop });
    seen = exchanges.length;
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
