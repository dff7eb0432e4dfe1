// The frame: which view is shown, light or dark, the state of the server, the token.

import { api, credentials } from "./api.js";
import { AskView } from "./ask.js";
import { setPalette } from "./colours.js";
import { $, busy, icon, problem } from "./dom.js";

const VIEWS = { ask: async () => AskView, build: async () => (await import("./build.js")).BuildView, browse: async () => (await import("./browse.js")).BrowseView };
const made = {};
let state;

/** "#browse/0/12" is the view browse, with the rest for itself. */
async function route() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  const view = name in VIEWS ? name : "ask";
  for (const one of Object.keys(VIEWS)) {
    $(`#${one}`).hidden = one !== view;
    const link = $(`nav a[href="#${one}"]`);
    if (one === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (one !== view) made[one]?.rest?.();
  }
  document.title = `${$(`nav a[href="#${view}"]`).textContent} · twnm studio`;
  made[view] ??= new (await VIEWS[view]())($(`#${view}`), state);
  made[view].goTo?.(rest);
}

function showTheme() {
  const { theme } = document.documentElement.dataset;
  $("#theme").replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
}

$("#theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* it lasts as long as the page */ }
  dispatchEvent(new Event("themechange"));
});
addEventListener("themechange", showTheme);
showTheme();

credentials.ask = (note) => new Promise((done) => {
  const dialog = $("#token");
  if (note) $("#token-note").textContent = note;
  $("#token-value").value = "";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => done(dialog.returnValue === "ok" ? $("#token-value").value : null), { once: true });
  dialog.showModal();
});

function showState() {
  const { model, version } = state;
  $("#state").classList.toggle("bad", Boolean(model.problem));
  $("#state").textContent = model.problem ? `No model: ${model.problem}` : `${model.name}${model.ready ? "" : ", loading"} · ${version}`;
  if (!model.ready && !model.problem) setTimeout(async () => { state = await api.state().catch(() => state); showState(); }, 2000);
}

async function begin() {
  $("#ask").replaceChildren(busy("Starting …"));
  try {
    state = await api.state();
  } catch (error) {
    $("#ask").replaceChildren(problem(error));
    return;
  }
  setPalette(state.colours);
  showState();
  addEventListener("hashchange", route);
  await route();
}

begin();
