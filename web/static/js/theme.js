// Light or dark, chosen before anything is drawn: a classic script in the head, not a module, which would come too late.
(() => {
  const KEY = "lacerta-theme";
  const CHOICES = ["system", "light", "dark"];
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const known = (value) => (CHOICES.includes(value) ? value : "system");

  const apply = () => {
    const choice = root.dataset.choice;
    const theme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    root.dataset.theme = theme;
    // Gradio follows the system by itself, with a class that its own parts go by.
    document.body?.classList.toggle("dark", theme === "dark");
  };

  const choose = (wanted) => {
    root.dataset.choice = known(wanted);
    apply();
  };

  // Where the browser keeps nothing, a choice holds until the page is left.
  let kept = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch { /* blocked */ }
  choose(kept);

  dark.addEventListener("change", apply);
  // Another tab has chosen.
  addEventListener("storage", (event) => {
    if (event.key === KEY) choose(event.newValue);
  });
  // Which of the names and pictures in the button holds is told by layout.css: the header is drawn anew at times.
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#theme")) return;
    choose(CHOICES[(CHOICES.indexOf(root.dataset.choice) + 1) % CHOICES.length]);
    try {
      localStorage.setItem(KEY, root.dataset.choice);
    } catch { /* blocked */ }
  });
  // Gradio tells the browser's language as the page's: hyphens, line breaks and voices go by it.
  const language = root.lang;
  new MutationObserver(() => {
    if (root.lang !== language) root.lang = language;
  }).observe(root, { attributeFilter: ["lang"] });
  document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver(apply).observe(document.body, { attributeFilter: ["class"] });
    apply();
  });
})();
