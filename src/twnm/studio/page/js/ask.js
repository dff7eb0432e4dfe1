// The view Ask: a recording from a file or an example, what the model hears in it, and questions about it.

import { api } from "./api.js";
import { $, busy, h, problem, put, sentence } from "./dom.js";
import { exports } from "./exports.js";
import { Stage } from "./stage.js";
import { Talk } from "./talk.js";

const MEGABYTE = 2 ** 20;

export class AskView {
  #recording = null; #round = 0;

  constructor(root, state) {
    this.root = root;
    this.state = state;
    this.stage = new Stage();
    this.talk = new Talk(this.stage);
    this.start = this.#makeStart();
    this.bar = h("div", { class: "stack tight" });
    this.work = h("div", { class: "columns" }, h("div", { class: "card pad stack" }, this.bar, this.stage.element), h("div", { class: "side" }, this.talk.element));
    root.replaceChildren(this.start);
    addEventListener("dragover", (event) => { if (carriesFile(event) && !root.hidden) { event.preventDefault(); this.drop.classList.add("over"); } });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) this.drop.classList.remove("over"); });
    addEventListener("drop", (event) => this.#dropped(event));
  }

  rest() { this.stage.rest(); }

  #makeStart() {
    this.file = h("input", { type: "file", class: "unseen", accept: ".wav,.flac,.ogg,.caf,.aiff,.aif,audio/*", onchange: () => this.#upload(this.file.files[0]), "aria-label": "A four-channel recording" });
    this.layout = h("select", { id: "layout" }, h("option", { value: "auto" }, "Find out from the sound"), this.state.layouts.map(({ id, name }) => h("option", { value: id }, name)));
    this.trouble = h("div", null);
    this.drop = h("div", { class: "drop" }, h("h2", null, "Drop a four-channel recording here"),
      h("p", { class: "lead" }, `First-order Ambisonics as WAV, FLAC or OGG, at any rate; up to ${this.state.limits.duration_s} s and ${Math.round(this.state.limits.upload_bytes / MEGABYTE)} MB. It is heard where this studio runs, and sent nowhere else.`),
      this.file, h("button", { class: "primary", type: "button", onclick: () => this.file.click() }, "Choose a file"),
      h("div", { class: "field" }, h("label", { for: "layout" }, "Channel layout"), this.layout), this.trouble);
    this.examples = h("div", { class: "examples" });
    this.#listExamples();
    return h("div", { class: "start" },
      h("div", null, h("h2", { class: "headline" }, "What sounds, where, how far and when?"), h("p", { class: "lead" }, "Give a recording of the whole sound field. See the sounds around the listener, turn your head among them, and ask.")),
      this.drop, h("section", { class: "stack", "aria-label": "Examples" }, h("h2", null, "Or take an example"), this.examples));
  }

  async #listExamples() {
    try {
      const { examples } = await api.examples();
      this.examples.replaceChildren(...examples.map((one) => h("button", { type: "button", "data-example": one.name, onclick: () => this.#load(one.title, () => api.openExample(one.name)) }, h("strong", null, one.title), h("span", { class: "small" }, one.text))));
      if (!examples.length) this.examples.replaceChildren(h("p", { class: "muted" }, "This studio has no examples."));
    } catch (error) {
      this.examples.replaceChildren(problem(error));
    }
  }

  #dropped(event) {
    if (!carriesFile(event) || this.root.hidden) return;
    event.preventDefault();
    this.drop.classList.remove("over");
    this.#upload(event.dataTransfer.files[0]);
  }

  #upload(file) {
    if (!file) return;
    this.file.value = "";
    const { upload_bytes: most } = this.state.limits;
    if (file.size > most) {
      this.#fail(new Error(`${file.name} has ${(file.size / MEGABYTE).toFixed(1)} MB; ${Math.round(most / MEGABYTE)} MB are allowed. Cut it, or save it as FLAC.`));
      return;
    }
    this.#load(file.name, () => api.upload(file, this.layout.value));
  }

  async #load(name, get) {
    const round = ++this.#round;
    this.trouble.replaceChildren(busy(`Listening to ${name} …`));
    this.#block(true);
    try {
      const recording = await get();
      if (round === this.#round) this.show(recording);
    } catch (error) {
      if (round === this.#round) this.#fail(error);
    }
    this.#block(false);
  }

  #block(on) {
    for (const one of this.start.querySelectorAll("button, select")) one.disabled = on;
  }

  #fail(error) {
    if (!this.start.isConnected) this.root.replaceChildren(this.start);
    this.trouble.replaceChildren(problem(error));
  }

  show(recording) {
    this.#recording = recording;
    this.trouble.replaceChildren();
    this.root.replaceChildren(this.work);
    this.#showBar(recording);
    this.stage.show(recording);
    this.talk.show(recording);
    this.stage.describe();
  }

  #showBar(recording) {
    const again = h("button", { type: "button", onclick: () => { this.stage.rest(); this.root.replaceChildren(this.start); } }, "Another recording");
    const facts = [`${recording.duration_s.toFixed(1)} s`, `heard in ${recording.heard_s.toFixed(1)} s`, ...(recording.room ? [`room: RT60 about ${recording.room.rt60_s.toFixed(1)} s`] : [])];
    put(this.bar,
      h("div", { class: "row apart" }, h("h2", { class: "title" }, recording.name), h("div", { class: "row" }, again, exports(recording, this.talk))),
      h("p", { class: "small muted" }, facts.join(" · ")), recording.source === "upload" ? this.#layoutRow(recording) : null,
      recording.doubts.map((doubt) => h("p", { class: "note" }, sentence(doubt))), recording.note ? h("p", { class: "note" }, recording.note) : null);
  }

  #layoutRow(recording) {
    const choice = h("select", { "aria-label": "Channel layout", onchange: () => this.#relayout(choice.value) }, this.state.layouts.map(({ id, name }) => h("option", { value: id, selected: id === recording.layout }, name)));
    return h("div", { class: "layout" }, choice, h("span", { class: `small ${recording.layout_certain ? "muted" : ""}` }, sentence(recording.layout_reason)));
  }

  async #relayout(layout) {
    const round = ++this.#round;
    const { id } = this.#recording;
    const row = $(".layout", this.bar);
    row.querySelector("span").replaceChildren(busy("Listening again …"));
    try {
      const recording = await api.relayout(id, layout);
      if (round === this.#round) this.show(recording);
    } catch (error) {
      if (round === this.#round) row.querySelector("span").replaceChildren(problem(error));
    }
  }
}

const carriesFile = (event) => event.dataTransfer?.types.includes("Files");

