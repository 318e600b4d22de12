// Elements of the page, made without any HTML: whatever is put in is text.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  bin: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.5 10.5v5.5M13.5 10.5v5.5",
  branch: "M7 5v14M7 12h6a4 4 0 0 0 4-4V5M14.5 7.5 17 5l2.5 2.5",
  clip: "M20 11.5l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7l-8.4 8.4a1.6 1.6 0 0 1-2.3-2.3l7.6-7.6",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  fit: "M4 6v12M20 6v12M7 12h10M10 9l-3 3 3 3M14 9l3 3-3 3",
  funnel: "M4 6h16M7 12h10M10 18h4",
  left: "M15 5l-7 7 7 7",
  microphone: "M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5 11a7 7 0 0 0 14 0M12 18v3M8.5 21h7",
  minus: "M5 12h14",
  open: "M14 4h6v6M20 4l-9 9M18 14v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h5",
  pencil: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  plus: "M12 5v14M5 12h14",
  right: "M9 5l7 7-7 7",
  side: "M4 5h16v14H4zM9.5 5v14",
};

/**
 * An element with its attributes and its children; what is missing or false is left out. `text` is what stands in it
 * first, `onclick` and the like are listened to.
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.startsWith("aria-")) made.setAttribute(key, value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter(Boolean));
  return made;
}

/** The same with nothing but its classes and its text. */
export function make(name, classes = "", text = "") {
  return element(name, { class: classes || null, text });
}

/** A drawing that says nothing to a screen reader; `size` in pixels. */
export function icon(name, size = 18) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
