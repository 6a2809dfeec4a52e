/**
 * Whether the server brings another page than the one that runs: a tab lives for weeks, and a server is updated.
 *
 * The name of the entry script has the hash of what is in it, so it is the identity of a build, and needs no number.
 */

/** The path of the entry script in a page's HTML; null when there is none. */
export function entryScript(html: string): string | null {
  return /<script type="module"[^>]* src="([^"]+)"/.exec(html)?.[1] ?? null;
}

/** Whether the page that the server has now starts another script than `running`. False when it cannot be told. */
export async function isStale(running: string, fetchPage: () => Promise<string>): Promise<boolean> {
  try {
    const served = entryScript(await fetchPage());
    return served !== null && served !== running;
  } catch {
    return false;
  }
}

/** The page as the server has it now, never from a cache. */
export async function fetchPage(): Promise<string> {
  const answer = await fetch("/events", { cache: "no-cache", headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(`the page answered ${answer.status}`);
  return answer.text();
}
