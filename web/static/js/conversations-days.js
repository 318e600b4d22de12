// When something was, as a heading says it: by day, by month once that is long ago.

import { language } from "./texts.js";

/** The visitor's own way of writing dates, where it is one of the page's language. */
const locale = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;

const DAY = 24 * 3600 * 1000;
const DAYS_APART = 30;
const DAYS_OF_A_WEEK = 7;

/** Groups of what stands in order of time: [{title, items}]. `time` gives the milliseconds of an item. */
export function byDay(items, time, now = Date.now()) {
  const groups = [];
  for (const item of items) {
    const title = heading(time(item), now);
    if (groups.at(-1)?.title !== title) groups.push({ title, items: [] });
    groups.at(-1).items.push(item);
  }
  return groups;
}

/** Day and time in full. */
export function moment(time) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" }).format(time);
}

function heading(time, now) {
  // Days have 23 to 25 hours where clocks are changed.
  const ago = Math.max(Math.round((midnight(now) - midnight(time)) / DAY), 0);
  if (ago < 2) return capital(new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-ago, "day"));
  const year = new Date(time).getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" };
  const parts = ago > DAYS_APART ? { month: "long", year: "numeric" }
    : { month: "long", day: "numeric", ...(ago < DAYS_OF_A_WEEK ? { weekday: "long" } : year) };
  return capital(new Intl.DateTimeFormat(locale, parts).format(time));
}

function midnight(time) {
  return new Date(time).setHours(0, 0, 0, 0);
}

function capital(words) {
  return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
}
