// The clipboard of the visitor's machine.

/** Resolves to whether the text is there; the focus is or gets into `beside`. */
export async function toClipboard(text, beside) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure connection there is only the old way; the field has to be where the focus may be.
    const field = document.createElement("textarea");
    field.className = "unseen";
    field.value = text;
    beside.append(field);
    const focused = document.activeElement;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    focused?.focus?.({ preventScroll: true });
    return done;
  }
}
