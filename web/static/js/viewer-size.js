// How large a page is shown, and what of it is in sight. Knows nothing of where it came from.

// As in viewer.css.
export const WIDE = matchMedia("(min-width: 1000px)");
const NARROW_PIXELS = 560;
const ZOOMS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];
// Chosen by the visitor; 0 for what fits.
const chosen = { picture: 0, words: 0 };

/** How many pixels wide a page will be before there is a sheet to ask. */
export function expectedWidth() {
  return WIDE.matches ? Math.min(Math.max(innerWidth * 0.46, 420), 900) - 39 : innerWidth - 16;
}

/** How large a page is shown without the visitor's choice: on a small screen as large as its quote allows. */
export function fitting(page, width) {
  if (page.kind !== "picture" || width >= NARROW_PIXELS || !page.marks.length) return 1;
  const [left, right] = edges(page.marks);
  return Math.min(Math.max(0.94 / (right - left), 1), 2);
}

/** Shows a page as large as it should be, with `target` in sight; without one, from its beginning. */
export function fit(body, { page, content, target }) {
  const factor = chosen[kindOf(page)] || fitting(page, body.clientWidth);
  body.style.setProperty("--zoom", factor);
  if (!target) {
    body.scrollTo(0, 0);
    return;
  }
  const [whole, inside, outside] = [content, target, body].map((element) => element.getBoundingClientRect());
  let across = 0;
  if (page.kind === "picture") {
    const [left, right] = edges(page.marks);
    across = whole.left - outside.left + (whole.width * (left + right)) / 2 - body.clientWidth / 2;
  }
  body.scrollBy(across, inside.top - outside.top - body.clientHeight / 3);
}

/**
 * Larger (1), smaller (-1), or as wide as the sheet (0); a quote that is in sight stays where it is, else the middle.
 * The new size, 0 for the same.
 */
export function zoom(body, { page, target }, by) {
  const now = Number(body.style.getPropertyValue("--zoom")) || 1;
  const larger = ZOOMS.find((value) => value > now + 0.01);
  const smaller = ZOOMS.findLast((value) => value < now - 0.01);
  const wanted = by === 0 ? 1 : by > 0 ? larger : smaller;
  if (!wanted) return 0;
  const [inside, outside] = [target ?? body, body].map((element) => element.getBoundingClientRect());
  const seen = target && inside.top >= outside.top && inside.bottom <= outside.bottom;
  const x = seen ? (inside.left + inside.right) / 2 - outside.left : body.clientWidth / 2;
  const y = seen ? (inside.top + inside.bottom) / 2 - outside.top : body.clientHeight / 2;
  const across = (body.scrollLeft + x) / body.scrollWidth;
  const down = (body.scrollTop + y) / body.scrollHeight;
  chosen[kindOf(page)] = wanted;
  body.style.setProperty("--zoom", wanted);
  body.scrollTo(across * body.scrollWidth - x, down * body.scrollHeight - y);
  return wanted;
}

/** Whether there is more of a page to the left (-1) or to the right (1). */
export function movable({ scrollLeft, scrollWidth, clientWidth }, by) {
  return by < 0 ? scrollLeft > 1 : scrollLeft + clientWidth < scrollWidth - 1;
}

function kindOf(page) {
  return page.kind === "picture" ? "picture" : "words";
}

function edges(marks) {
  return [Math.min(...marks.map((mark) => mark[0])), Math.max(...marks.map((mark) => mark[0] + mark[2]))];
}
