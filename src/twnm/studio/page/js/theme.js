// Light or dark before the first paint: what was chosen here, else what the system prefers. Loaded as a plain script in the head.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const show = () => { document.documentElement.dataset.theme = chosen() ?? (dark.matches ? "dark" : "light"); };
  show();
  dark.addEventListener("change", () => { show(); dispatchEvent(new Event("themechange")); });
})();
