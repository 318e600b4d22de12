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

  // A new question is brought into sight; after that the view stays where the visitor put it.
  let seen = 0;
  new MutationObserver(() => {
    const chat = document.getElementById("chat");
    if (!chat) return;
    const exchanges = chat.querySelectorAll(".exchange");
    const last = exchanges[exchanges.length - 1];
    if (exchanges.length > seen && last) {
      chat.scrollTo({ top: last.offsetTop - chat.offsetTop });
      const panel = document.getElementById("sources");
      if (panel) panel.scrollTo({ top: 0 });
    }
    seen = exchanges.length;
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
