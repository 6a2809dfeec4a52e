/** Offers bytes as a file. */
export function download(blob: Blob, name: string): void {
  const href = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
  // The browser reads the address after this task; a minute is beyond any doubt, and then the memory is given back.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** `todoki-2026-02-27T10-30-00Z.ndjson`: sorts by time, and is allowed on every file system. */
export function exportName(extension: string, nowMs: number): string {
  return `todoki-${new Date(nowMs).toISOString().slice(0, 19).replaceAll(":", "-")}Z.${extension}`;
}
