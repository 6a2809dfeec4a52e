/**
 * Which words of a summary a query looks for, so that they can be marked. Pure.
 *
 * Whether an event matches is the core's to say, by the whole payload; here is only what a reader may look out for in the
 * part that shows. Terms that look elsewhere (kinds, ids, patterns) and negated ones mark nothing.
 */

const TERM = /-?(?:[\w.[\]]+:)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g;

/** The texts that the query looks for, in lower case. */
export function textsOf(query: string): readonly string[] {
  const texts: string[] = [];
  for (const [term, quoted, word] of query.matchAll(TERM)) {
    const isElsewhere = /^(?:-|\/|(?:kind|agent|task|session):)/.test(term);
    const text = quoted === undefined ? word : quoted.replace(/\\(.)/g, "$1");
    if (!isElsewhere && text) texts.push(text.toLowerCase());
  }
  return texts;
}

/** A piece of a text, looked for or not. */
export interface Piece {
  readonly text: string;
  readonly isMarked: boolean;
  /** Where it begins. */
  readonly at: number;
}

/** The text in pieces, marked where one of `texts` stands, whatever the case. */
export function piecesOf(text: string, texts: readonly string[]): readonly Piece[] {
  const lower = text.toLowerCase();
  const pieces: Piece[] = [];
  let from = 0;
  // Some letters are longer in lower case; then places in one text are not those in the other, and nothing is marked.
  while (lower.length === text.length) {
    const next = nearest(lower, texts, from);
    if (next === null) break;
    if (next.at > from) pieces.push({ text: text.slice(from, next.at), isMarked: false, at: from });
    pieces.push({ text: text.slice(next.at, next.end), isMarked: true, at: next.at });
    from = next.end;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), isMarked: false, at: from });
  return pieces;
}

function nearest(lower: string, texts: readonly string[], from: number): { readonly at: number; end: number } | null {
  let best: { readonly at: number; end: number } | null = null;
  for (const text of texts) {
    const at = lower.indexOf(text, from);
    if (at < 0) continue;
    if (best === null || at < best.at) best = { at, end: at + text.length };
    else if (at === best.at) best.end = Math.max(best.end, at + text.length);
  }
  return best;
}
