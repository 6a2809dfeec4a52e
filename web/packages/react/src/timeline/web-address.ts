/**
 * Which texts of an event may become links.
 */

/** Whether a text is an address of the web. Only these two schemes are: a `javascript:` in an event must stay a text. */
export function isWebAddress(value: string): boolean {
  return /^https?:\/\/[^\s"<>]+$/i.test(value) && URL.canParse(value);
}
