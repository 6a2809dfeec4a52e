// Chooses light or dark before the first paint. A plain file of its own, since the policy of the page allows no inline
// script, and a module would run after a frame of the wrong colour. `theme.ts` does the rest.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("todoki-theme");
  } catch {
    // A browser that keeps nothing for this page shows what its system prefers.
  }
  const isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", isDark);
  document.documentElement.setAttribute("data-theme", isDark ? "dark" : "light");
})();
