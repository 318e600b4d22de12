// Fetches what a visitor may open next, so that it opens at once.

import { facts, page as pageOf, pictures } from "./viewer-load.js";
import { addressOf } from "./viewer-place.js";
import { expectedWidth, fitting } from "./viewer-size.js";

const fetched = new Set();
// Addresses of pictures, with the width in pixels that they were fetched for.
const ready = new Map();

/** Fetches a place and the picture of its page. */
export async function prefetch(place) {
  if (!place || navigator.connection?.saveData) return;
  const name = addressOf(place);
  if (fetched.has(name)) return;
  fetched.add(name);
  try {
    const [page] = await Promise.all([pageOf(place), facts(place)]);
    if (page.kind !== "picture") return;
    const width = expectedWidth();
    const pixels = Math.ceil(width * fitting(page, width));
    ready.set(page.picture, pixels);
    const image = new Image();
    image.sizes = `${pixels}px`;
    image.srcset = pictures(page);
  } catch {
    // Whoever opens it is told.
    fetched.delete(name);
  }
}

/** How wide a picture is asked to be. One that is there already will do where it is hardly too small. */
export function sized(page, pixels) {
  const fetchedFor = ready.get(page.picture) ?? 0;
  return `${Math.ceil(pixels < 1.15 * fetchedFor ? fetchedFor : pixels)}px`;
}

export function afterwards(work) {
  if (window.requestIdleCallback) requestIdleCallback(work, { timeout: 500 });
  else setTimeout(work, 100);
}
