// The sentences of a text on the page, each with what is to be said of it and where it stands.

// Nobody wants to hear the number of a source, or a sign that is there for the eyes.
const SILENT = "a.citation, abbr.unsupported, button, [aria-hidden='true'], [hidden]";
const BLOCKS = "p, li, dt, dd, h1, h2, h3, h4, h5, h6, td, th, blockquote, pre";
// Chrome cuts off what some voices read for longer than 15 seconds.
const LONGEST = { ko: 80 };
const LONGEST_ELSEWHERE = 180;

/** [{text, range, block}] of an element, in order; `block` is the paragraph that holds it. */
export function sentences(element, language) {
  const blocks = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest(SILENT)) continue;
    const block = node.parentElement.closest(BLOCKS) ?? element;
    if (blocks.at(-1)?.block !== block) blocks.push({ block, text: "", pieces: [] });
    const last = blocks.at(-1);
    last.pieces.push({ node, start: last.text.length });
    last.text += node.data;
  }
  return blocks.flatMap(({ block, text, pieces }) =>
    parts(text, language)
      .map(([start, end]) => ({ text: said(text.slice(start, end)), range: rangeOf(pieces, start, end), block }))
      .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence.text)),
  );
}

function said(text) {
  // Where a citation stood there is a space too many.
  return text.replace(/\s+/g, " ").replace(/ ([.,;:!?…)])/g, "$1").trim();
}

function rangeOf(pieces, start, end) {
  const range = document.createRange();
  const first = pieces.findLast((piece) => piece.start <= start);
  const last = pieces.findLast((piece) => piece.start < end);
  range.setStart(first.node, start - first.start);
  range.setEnd(last.node, end - last.start);
  return range;
}

/** [start, end] of each part that is read at once, without the spaces around it. */
function parts(text, language) {
  const longest = LONGEST[language] ?? LONGEST_ELSEWHERE;
  return bounds(text, language).flatMap(([start, end]) => {
    const found = [];
    while (end - start > longest) {
      const ahead = text.slice(start, start + longest);
      const clause = Math.max(...[", ", "; ", ": ", " – ", " — "].map((sign) => ahead.lastIndexOf(sign) + sign.length - 1));
      const word = ahead.lastIndexOf(" ");
      // A clause of a word or two would be chopped off.
      const cut = clause > longest / 3 ? clause : word > 0 ? word : longest;
      found.push([start, start + cut]);
      start += cut;
    }
    return [...found, [start, end]];
  }).map(([start, end]) => trimmed(text, start, end)).filter(([start, end]) => start < end);
}

function bounds(text, language) {
  if (Intl.Segmenter) {
    const segments = new Intl.Segmenter(language, { granularity: "sentence" }).segment(text);
    return Array.from(segments, ({ index, segment }) => [index, index + segment.length]);
  }
  return Array.from(text.matchAll(/[^.!?…]+[.!?…]*\s*/g), (match) => [match.index, match.index + match[0].length]);
}

function trimmed(text, start, end) {
  while (start < end && /\s/.test(text[start])) start += 1;
  while (end > start && /\s/.test(text[end - 1])) end -= 1;
  return [start, end];
}
