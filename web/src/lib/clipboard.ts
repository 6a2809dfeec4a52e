/**
 * Copies a text. Resolves to whether it was: a page without TLS on another host has no clipboard, and says so rather
 * than nothing.
 */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
