/** Which event a list shows as its newest, read from the DOM. */

/** Of the baseline: its last item. */
export function newestNaive(root: HTMLElement): number {
  return Number(root.querySelector("li:last-child")?.getAttribute("data-cursor") ?? 0);
}

/** The newest cursor among the rows of the grid. Rows are recycled, so the last one of the DOM need not be the newest. */
export function newestRow(root: HTMLElement): number {
  let newest = 0;
  for (const row of root.querySelectorAll("[data-cursor]")) {
    newest = Math.max(newest, Number(row.getAttribute("data-cursor")));
  }
  return newest;
}
