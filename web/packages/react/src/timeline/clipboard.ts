/**
 * Putting a text into the clipboard.
 *
 * The clipboard of the browser needs a secure page, and Todoki is often looked at over plain HTTP on a local network, so
 * there is the old way as well: a selection in a text field that nobody sees.
 */

/** Puts a text into the clipboard; rejects when the browser does not let us. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "todoki-hidden";
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!isCopied) throw new Error("The browser does not let the page copy.");
}
