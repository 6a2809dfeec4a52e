/**
 * The rule for kinds and patterns, as the server has it: a page that refuses what the server would refuse can say why
 * beside the field, and never loses its stream to a mistyped letter.
 */

/** Bytes of a kind or pattern that the server takes; all allowed characters are of one byte. */
const maxLength = 128;

/** Patterns that one subscription takes. */
export const maxPatterns = 64;

const segment = /^[A-Za-z0-9_-]+$/;

/** What is wrong with a pattern, in words for people; null when nothing is. */
export function patternProblem(pattern: string): string | null {
  if (pattern === "") return "Type a kind such as task.created, or a pattern such as task.*";
  if (pattern.length > maxLength) return `A pattern has at most ${maxLength} characters`;
  if (pattern === "*") return null;
  const star = pattern.indexOf("*");
  if (star !== -1 && star !== pattern.length - 1) return "A * may stand only at the end";
  const segments = (star === -1 ? pattern : pattern.slice(0, -1)).split(".");
  // `task.*` leaves an empty last segment before the star, and `task.re*` leaves part of one.
  if (star !== -1 && segments.at(-1) === "") segments.pop();
  return segmentsProblem(segments);
}

function segmentsProblem(segments: readonly string[]): string | null {
  if (segments.length === 0 || segments.includes("")) return "Put something between the dots";
  const bad = segments.find((text) => !segment.test(text));
  return bad === undefined ? null : `“${bad}” has a character that is not a letter, digit, _ or -`;
}

/** Whether a pattern picks a kind: a trailing `*` matches any rest. */
export function picks(pattern: string, kind: string): boolean {
  return pattern.endsWith("*") ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern;
}

/** Patterns without repetitions and without those that another one covers; none means all. */
export function canonical(patterns: readonly string[]): readonly string[] {
  if (patterns.includes("*")) return [];
  const distinct = [...new Set(patterns)];
  return distinct.filter((one) => !distinct.some((other) => other !== one && covers(other, one))).sort();
}

function covers(wide: string, narrow: string): boolean {
  return wide.endsWith("*") && picks(wide, narrow.endsWith("*") ? narrow.slice(0, -1) : narrow);
}
