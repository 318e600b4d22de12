"use strict";
// Shows those of the questions that are asked for; without it all are listed.
(() => {
  const STEP = 25;
  const form = document.querySelector(".filters");
  const list = document.getElementById("list");
  const more = document.querySelector(".more");
  const questions = [...list.children];
  const texts = new Map(questions.map((one) => [one, one.textContent.toLowerCase()]));
  const orders = {
    worst: () => 0,
    id: (one, other) => one.dataset.id.localeCompare(other.dataset.id, undefined, { numeric: true }),
    confidence: (one, other) => other.dataset.confidence - one.dataset.confidence,
  };
  let shown = STEP;
  let order = "worst";

  const chosen = (name) => form.elements[name]?.value ?? "";
  const fits = (one) => {
    const faults = one.dataset.faults ? one.dataset.faults.split("|") : [];
    const fault = chosen("fault");
    const right = { "": true, any: faults.length > 0, none: faults.length === 0 }[fault] ?? faults.includes(fault);
    return right
      && (!chosen("language") || one.dataset.language === chosen("language"))
      && (!chosen("set") || one.dataset.set === chosen("set"))
      && (!chosen("runs") || one.dataset.differ === "1")
      && texts.get(one).includes(chosen("text").trim().toLowerCase());
  };
  const show = () => {
    if (chosen("order") !== order) {
      order = chosen("order");
      list.append(...[...questions].sort(orders[order]));
    }
    const found = [...list.children].filter(fits);
    const seen = new Set(found.slice(0, shown));
    for (const one of questions) one.hidden = !seen.has(one);
    form.querySelector(".count").textContent =
      `${seen.size} of ${found.length} shown, ${questions.length} questions in all`;
    more.hidden = found.length <= shown;
    more.firstElementChild.textContent = `Show ${Math.min(STEP, found.length - shown)} more`;
  };
  const target = () => {
    const one = document.getElementById(location.hash.slice(1));
    if (!one?.matches(".question")) return;
    one.hidden = false;
    one.open = true;
    one.scrollIntoView();
  };
  form.addEventListener("input", () => { shown = STEP; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    const before = list.querySelectorAll(".question:not([hidden])").length;
    shown += STEP;
    show();
    list.querySelectorAll(".question:not([hidden]) > summary")[before]?.focus();
  });
  addEventListener("hashchange", target);
  form.hidden = false;
  show();
  target();
})();
