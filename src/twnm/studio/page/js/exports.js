// Taking away what was found: JSON with the answers, DCASE rows, pictures.

import { api } from "./api.js";
import { announce, download, h } from "./dom.js";

/** A menu of files about a recording. */
export function exports(recording, talk) {
  const stem = recording.name.replace(/\.[a-z0-9]{2,5}$/i, "").replace(/[^\w-]+/g, "-") || "recording";
  const note = h("span", { class: "small bad", role: "alert" });
  const entry = (text, name, get) => h("button", {
    class: "quiet", type: "button",
    onclick: async () => {
      note.textContent = "";
      try {
        download(name, await get());
        announce(`${name} is saved.`);
        menu.open = false;
      } catch (error) { note.textContent = error.message; }
    },
  }, text);
  const menu = h("details", { class: "menu" }, h("summary", { class: "button" }, "Export"), h("div", null,
    entry("Objects and answers, JSON", `${stem}.json`, () => withAnswers(recording, talk)),
    entry("Labels, DCASE CSV", `${stem}.csv`, () => api.file(recording.id, "export.csv")),
    entry("Plan view, PNG", `${stem}-plan.png`, () => api.file(recording.id, "plan.png")),
    entry("Directions over time, PNG", `${stem}-directions.png`, () => api.file(recording.id, "directions.png")), note));
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.open = false; menu.firstChild.focus(); } });
  menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
  addEventListener("pointerdown", ({ target }) => { if (!menu.contains(target)) menu.open = false; });
  return menu;
}

async function withAnswers(recording, talk) {
  const found = JSON.parse(await (await api.file(recording.id, "export.json")).text());
  const answers = talk.history.filter((entry) => entry.recording === recording.id && entry.reply).map(({ question, options, reply }) => ({ question, options, ...reply }));
  return new Blob([JSON.stringify({ ...found, answers: answers.reverse() }, null, 1)], { type: "application/json" });
}
