// The bank of dry sounds: search, hear, add by a button or drag into the plan.

import { api } from "./api.js";
import { announce, busy, h, icon, problem } from "./dom.js";
import { SOUND_TYPE } from "./room.js";

const QUIET_MS = 220;
const PAGE = 50;

export class Bank {
  #page = 1; #timer; #round = 0; #audio = null; #playing = null;

  constructor(onadd) {
    this.onadd = onadd;
    this.query = h("input", { type: "search", placeholder: "dog, speech, bell …", "aria-label": "Search the sounds", oninput: () => this.#soon() });
    this.label = h("select", { "aria-label": "Kind of sound", onchange: () => this.load(1) }, h("option", { value: "" }, "All kinds"));
    this.list = h("ul", { class: "list", tabindex: 0, "aria-label": "Sounds" });
    this.count = h("span", { class: "small muted" });
    this.before = h("button", { class: "quiet", type: "button", onclick: () => this.load(this.#page - 1) }, "Back");
    this.after = h("button", { class: "quiet", type: "button", onclick: () => this.load(this.#page + 1) }, "More");
    this.element = h("section", { class: "card pad bank", "aria-label": "Sound bank" }, h("h2", null, "Sounds"),
      h("div", { class: "stack tight" }, this.query, this.label), this.list, h("div", { class: "row apart" }, this.count, h("div", { class: "row" }, this.before, this.after)));
    this.load(1);
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load(1), QUIET_MS);
  }

  async load(page) {
    const round = ++this.#round;
    if (!this.list.children.length) this.list.replaceChildren(h("li", null, busy("Loading …")));
    try {
      const found = await api.sounds({ label: this.label.value, query: this.query.value.trim(), page });
      if (round !== this.#round) return;
      this.#page = found.page;
      if (this.label.options.length === 1) this.label.append(...found.labels.map(({ label, spoken, clips }) => h("option", { value: label }, `${spoken} (${clips})`)));
      this.list.replaceChildren(...found.sounds.map((sound) => this.#row(sound)));
      if (!found.sounds.length) this.list.replaceChildren(h("li", { class: "empty" }, "No sound matches."));
      this.list.scrollTop = 0;
      this.count.textContent = found.pages > 1 ? `${PAGE * (found.page - 1) + 1}–${PAGE * (found.page - 1) + found.sounds.length} of ${found.total.toLocaleString("en")}` : `${found.total} sound${found.total === 1 ? "" : "s"}`;
      this.before.disabled = found.page <= 1;
      this.after.disabled = found.page >= found.pages;
      this.before.hidden = this.after.hidden = found.pages <= 1;
    } catch (error) {
      if (round === this.#round) this.list.replaceChildren(h("li", null, problem(error)));
    }
  }

  #row(sound) {
    const name = sound.clip.split("/").at(-1).replace(/\.[a-z0-9]+$/, "");
    const play = h("button", { class: "quiet icon", type: "button", "aria-label": `Play ${sound.spoken}, ${name}`, onclick: () => this.#preview(sound, play) }, icon("play"));
    const add = h("button", { class: "quiet icon", type: "button", "aria-label": `Add ${sound.spoken}, ${name}`, "data-add": sound.clip, onclick: () => { if (this.onadd(sound)) announce(`${sound.spoken} is in the room.`); } }, icon("plus"));
    const row = h("li", { draggable: "true", title: `${sound.clip} · ${sound.licence}` }, h("span", { class: "grow" }, h("span", null, sound.spoken), h("span", { class: "small muted" }, `${sound.duration_s.toFixed(1)} s · ${name}`)), play, add);
    row.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData(SOUND_TYPE, JSON.stringify(sound));
      event.dataTransfer.effectAllowed = "copy";
      row.classList.add("dragged");
    });
    row.addEventListener("dragend", () => row.classList.remove("dragged"));
    return row;
  }

  async #preview(sound, button) {
    const again = this.#playing === button;
    this.rest();
    if (again) return;
    this.#playing = button;
    button.replaceChildren(icon("pause"));
    try {
      const url = URL.createObjectURL(await api.sound(sound.clip));
      this.#audio = new Audio(url);
      this.#audio.onended = () => this.rest();
      if (this.#playing === button) await this.#audio.play();
    } catch (error) {
      this.rest();
      this.count.textContent = error.message;
    }
  }

  rest() {
    this.#audio?.pause();
    if (this.#audio) URL.revokeObjectURL(this.#audio.src);
    this.#audio = null;
    this.#playing?.replaceChildren(icon("play"));
    this.#playing = null;
  }
}
