// The strings of the page's language, which the server puts into the page as JSON.

const DAY = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T.*)?$/;
const table = JSON.parse(document.getElementById("texts")?.textContent || "{}");

/** The interface's language: "en", "hu" or "ko". */
export const language = document.documentElement.lang || table.code || "en";

const plurals = new Intl.PluralRules(language);
// No comma stands in a year.
const numbers = new Intl.NumberFormat(language, { useGrouping: "min2" });

/**
 * The string of a key with its {placeholders} filled in, numbers as the language writes them. Where `count` is a number
 * that has a form of its own ("1 page"), the key with `_one` behind it is taken, if there is one.
 */
export function t(key, values = {}) {
  const form = typeof values.count === "number" ? `${key}_${plurals.select(values.count)}` : key;
  const text = table[form] ?? table[key];
  if (text === undefined) {
    console.warn(`There is no string ${key}.`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : String(value ?? whole);
  });
}

/** The name of a language of ours, or that it is another one. */
export function languageName(code) {
  return t(["en", "hu", "ko"].includes(code) ? code : "other");
}

/** A date such as 2024, 2024-05 or 2024-05-17 as it is written here; what is none stays as it is. */
export function dateText(date) {
  const [, year, month, day] = DAY.exec(date ?? "") ?? [];
  if (!year) return date ?? "";
  const moment = new Date(Date.UTC(Number(year), Number(month ?? 1) - 1, Number(day ?? 1)));
  const form = { timeZone: "UTC", year: "numeric", ...(month && { month: "long" }), ...(day && { day: "numeric" }) };
  // In the order in which the server writes them, in answers and exports.
  return new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, form).format(moment);
}
