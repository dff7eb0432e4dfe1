// The view Build: a room, a listener and sounds; rendered, heard, asked about, compared with the truth and with its twin.

import { api } from "./api.js";
import { Bank } from "./bank.js";
import { announce, busy, download, h, icon, problem } from "./dom.js";
import { exports } from "./exports.js";
import { Inspector } from "./inspector.js";
import { Lanes } from "./lanes.js";
import { RoomPlan } from "./room.js";
import { SketchDocument } from "./sketch.js";
import { Stage } from "./stage.js";
import { Talk } from "./talk.js";
import { comparison, titleOf } from "./twins.js";

const EMPTY = { duration_s: 5, room: { kind: "shoebox", size_m: [7, 6, 2.8], rt60_s: 0.4 }, listener: { position_m: [3, 3, 1.5], yaw_deg: 0 }, ambience_snr_db: 30, events: [] };
const TWINS = ["mirror", "yaw 90", "yaw 180"];
const ASKED_AGAIN = 3;

export class BuildView {
  #recording = null; #rendered = -1; #working = false;

  constructor(root, state) {
    this.root = root;
    this.names = Object.fromEntries(state.classes.map(({ label, spoken }) => [label, spoken]));
    this.document = new SketchDocument(structuredClone(EMPTY), state.limits);
    const spokenOf = (label) => this.names[label] ?? label.replaceAll("_", " ");
    this.plan = new RoomPlan(this.document, spokenOf);
    this.lanes = new Lanes(this.document, spokenOf);
    this.bank = new Bank((sound) => this.#add(sound));
    this.inspector = new Inspector(this.document, spokenOf, this.plan);
    this.stage = new Stage();
    this.talk = new Talk(this.stage);
    this.document.addEventListener("change", () => this.#changed());
    root.addEventListener("keydown", (event) => this.#key(event));
    this.#build();
    this.#changed();
  }

  rest() {
    this.stage.rest();
    this.bank.rest();
  }

  #build() {
    const button = (name, text, onclick, kind = "") => h("button", { class: kind, type: "button", onclick }, name ? icon(name) : null, text);
    this.undo = h("button", { class: "icon", type: "button", "aria-label": "Undo", onclick: () => this.document.undo() }, icon("undo"));
    this.redo = h("button", { class: "icon", type: "button", "aria-label": "Redo", onclick: () => this.document.redo() }, icon("redo"));
    this.render = button("play", "Render and hear", () => this.renderNow(), "primary");
    this.file = h("input", { type: "file", class: "unseen", accept: ".json,application/json", "aria-label": "A saved scene", tabindex: -1, onchange: () => this.#open(this.file.files[0]) });
    this.twins = TWINS.map((transform) => h("button", { type: "button", title: titleOf(transform), "data-twin": transform, onclick: () => this.#twin(transform) }, icon(transform === "mirror" ? "mirror" : "turn"), transform === "mirror" ? "Mirror" : `Turn ${transform.slice(4)}°`));
    this.status = h("div", { class: "small muted status", role: "status" });
    this.hint = h("p", { class: "small muted" }, "Drag sounds into the room or press +. Drag or use the arrow keys to move; the knob turns the listener.");
    const top = h("div", { class: "bench-top" }, this.undo, this.redo, button("plus", "New", () => this.document.replace(EMPTY)), button("", "Random scene", () => this.#chance()), button("open", "Open", () => this.file.click()), button("save", "Save", () => this.#save()), this.file);
    const bottom = h("div", { class: "bench-top" }, this.render, h("span", { class: "grow" }), h("div", { class: "row", role: "group", "aria-label": "Twin of the scene" }, this.twins));
    this.trouble = h("div", { class: "trouble" });
    this.twinPlace = h("div", { class: "trouble" });
    this.bar = h("div", { class: "row apart" });
    this.result = h("div", { class: "columns result", hidden: true }, h("div", { class: "stack" }, this.twinPlace, h("div", { class: "card pad stack" }, this.bar, this.stage.element)), h("div", { class: "side" }, this.talk.element));
    this.root.replaceChildren(h("div", { class: "workshop" }, this.bank.element, h("section", { class: "card pad stack plan-side", "aria-label": "Room" }, top, this.plan.element, this.hint, this.lanes.element, bottom, this.status, this.trouble), this.inspector.element), this.result);
  }

  #add(sound) {
    if (this.document.add(sound)) return true;
    this.trouble.replaceChildren(h("p", { class: "note error", role: "alert" }, `A scene holds at most ${this.document.limits.build_events} sounds. Remove one first.`));
    return false;
  }

  #changed() {
    const { document: doc } = this;
    this.undo.disabled = !doc.canUndo;
    this.redo.disabled = !doc.canRedo;
    const some = doc.sketch.events.length > 0;
    this.render.disabled = this.#working || !some;
    for (const one of this.twins) one.disabled = this.#working || !some;
    if (this.#working) return;
    const stale = this.#recording && doc.revision !== this.#rendered;
    this.status.textContent = !some ? "Put a sound into the room first." : stale ? "Changed since it was rendered." : this.#recording ? this.#measured() : "";
  }

  #measured() {
    const { render_s: rendered, heard_s: heard } = this.#recording;
    return rendered === undefined ? "" : `Rendered in ${rendered.toFixed(2)} s, heard in ${heard.toFixed(2)} s.`;
  }

  #key(event) {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches("input, textarea")) return;
    event.preventDefault();
    if (event.shiftKey) this.document.redo();
    else this.document.undo();
  }

  /** Something that waits for the server: one at a time, its error in words. */
  async #work(text, job) {
    if (this.#working) return;
    this.#working = true;
    this.#changed();
    this.status.replaceChildren(busy(text));
    this.trouble.replaceChildren();
    try {
      await job();
    } catch (error) {
      this.trouble.replaceChildren(problem(error));
    }
    this.#working = false;
    this.#changed();
  }

  renderNow() {
    return this.#work("Rendering and listening …", async () => {
      await this.#render();
      if (this.stage.player.ready) this.stage.toggle();
    });
  }

  async #render() {
    const { revision } = this.document;
    const recording = await api.build(this.document.sketch);
    this.twinPlace.replaceChildren();
    await this.#show(recording, revision);
  }

  async #show(recording, revision) {
    this.#recording = recording;
    this.#rendered = revision;
    this.result.hidden = false;
    this.bar.replaceChildren(h("h2", null, recording.transform ? "What the model hears in the twin" : "What the model hears in it"), exports(recording, this.talk));
    this.talk.show(recording);
    const shown = this.stage.show(recording);
    this.stage.describe();
    this.result.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    await shown;
  }

  #twin(transform) {
    return this.#work("Making the twin …", async () => {
      if (!this.#recording || this.document.revision !== this.#rendered) await this.#render();
      const before = this.#recording;
      const asked = this.talk.history.filter((entry) => entry.recording === before.id && entry.reply).slice(0, ASKED_AGAIN).reverse();
      const after = await api.twin(before.id, transform);
      this.document.replace(after.sketch);
      await this.#show(after, this.document.revision);
      const pairs = [];
      this.twinPlace.replaceChildren(comparison(before, after, pairs));
      for (const entry of asked) {
        this.status.replaceChildren(busy("Asking the same again …"));
        pairs.push([entry, await this.talk.put(entry.question, entry.options, "twin")]);
        this.twinPlace.replaceChildren(comparison(before, after, pairs));
      }
    });
  }

  #chance() {
    return this.#work("Drawing a scene …", async () => {
      const { sketch } = await api.newBuild(Math.floor(Math.random() * 1e6));
      this.document.replace(sketch);
    });
  }

  #open(file) {
    if (!file) return;
    this.file.value = "";
    this.#work(`Reading ${file.name} …`, async () => {
      let scene;
      try { scene = JSON.parse(await file.text()); } catch { throw new Error(`${file.name} is not JSON; give a scene that was saved here or written by twnm.`); }
      const { sketch } = await api.check(scene);
      this.document.replace(sketch);
      announce(`${file.name} is open.`);
    });
  }

  #save() {
    return this.#work("Saving …", async () => {
      const { scene } = await api.checkSketch(this.document.sketch);
      download(`${scene.scene_id.replace(/[^\w-]+/g, "-")}.json`, JSON.stringify(scene, null, 1), "application/json");
    });
  }
}
