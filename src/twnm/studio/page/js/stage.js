// One recording to hear and see: transport, plan view, time line, table of objects. Every view of the studio shows recordings by it.

import { api } from "./api.js";
import { signed, spoken } from "./angles.js";
import { announce, h, icon } from "./dom.js";
import { Head } from "./head.js";
import { PlanView } from "./plan.js";
import { decode, Player } from "./player.js";
import { Timeline } from "./timeline.js";
import { drawn } from "./colours.js";

const players = new Set();

export class Stage {
  #recording = null; #moving = false; #lit = [];

  constructor() {
    this.head = new Head();
    this.player = new Player(this.head);
    players.add(this.player);
    this.plan = new PlanView(this.head, { onpick: (id) => this.light(this.#lit.includes(id) ? [] : [id]) });
    this.timeline = new Timeline(this.head, { onseek: (time) => this.player.seek(time) });
    this.player.addEventListener("change", () => this.#follow());
    this.head.addEventListener("turn", () => this.#showHead());
    this.#build();
  }

  #build() {
    this.playButton = h("button", { class: "primary icon", type: "button", onclick: () => this.toggle() });
    this.clock = h("output", { class: "number clock" });
    this.loop = h("input", { type: "checkbox", onchange: () => this.player.setLoop(this.loop.checked) });
    this.headReadout = h("output", { class: "number head" });
    this.ahead = h("button", { class: "quiet", type: "button", onclick: () => this.head.turnTo(0) }, icon("ahead"), "Face front");
    this.trouble = h("div", { class: "trouble" });
    const transport = h("div", { class: "transport" }, this.playButton, this.clock, h("label", { class: "check" }, this.loop, "Repeat"), h("span", { class: "grow" }), this.headReadout, this.ahead);
    this.mapNote = h("p", { class: "small muted" }, h("kbd", null, "←"), " ", h("kbd", null, "→"), " or drag the map to turn your head. Wear headphones.");
    this.legend = h("p", { class: "small muted legend" }, h("span", { class: "dot" }), "heard", h("span", { class: "dot hollow" }), "true");
    this.table = h("div", { class: "scroll objects", tabindex: 0, role: "region", "aria-label": "Sounds in the recording" });
    this.element = h("div", { class: "stage" }, transport, this.trouble,
      h("div", { class: "views" }, h("div", { class: "map" }, this.plan.element, this.legend, this.mapNote), this.timeline.element), this.table);
    this.#follow();
    this.#showHead();
  }

  /** Show a recording as the server describes it, and fetch what it sounds like. */
  async show(recording) {
    this.#recording = recording;
    this.player.load(null);
    this.trouble.replaceChildren();
    this.head.turnTo(0);
    const objects = [...recording.objects, ...(recording.truth?.objects ?? [])].map(drawn);
    this.objects = objects;
    this.legend.hidden = !recording.truth;
    this.plan.show(objects);
    this.timeline.show({ duration: recording.duration_s, objects, buffer: null });
    this.light([]);
    this.playButton.disabled = true;
    try {
      const buffer = await decode(await api.audio(recording.id));
      if (this.#recording !== recording) return;
      this.player.load(buffer);
      this.timeline.show({ duration: recording.duration_s, objects, buffer });
      this.playButton.disabled = false;
    } catch (error) {
      if (this.#recording === recording) this.trouble.replaceChildren(h("p", { class: "note error", role: "alert" }, h("strong", null, "No sound. "), error.message));
    }
  }

  /** Highlight objects on the map, in the time line and in the table. */
  light(ids) {
    this.#lit = ids;
    this.plan.light(ids);
    this.timeline.light(ids);
    this.#showTable();
    this.element.dispatchEvent(new CustomEvent("light", { detail: ids }));
  }

  get lit() { return this.#lit; }

  async toggle() {
    if (this.player.playing) return this.player.pause();
    for (const other of players) if (other !== this.player) other.pause();
    try {
      await this.player.play();
    } catch (error) {
      this.trouble.replaceChildren(h("p", { class: "note error", role: "alert" }, h("strong", null, "It cannot be played. "), error.message));
    }
  }

  /** Nothing goes on playing out of sight. */
  rest() { this.player.pause(); }

  #follow() {
    const { playing, duration } = this.player;
    this.playButton.replaceChildren(icon(playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", playing ? "Pause" : "Play binaurally");
    const frame = () => {
      const { time } = this.player;
      this.clock.textContent = `${time.toFixed(1)} / ${(this.#recording?.duration_s ?? duration).toFixed(1)} s`;
      this.timeline.setTime(time);
      this.plan.setTime(this.player.playing || (time > 0 && time < duration) ? time : null);
      if (this.player.playing) requestAnimationFrame(frame);
      else this.#moving = false;
    };
    if (this.#moving) return;
    this.#moving = playing;
    frame();
  }

  #showHead() {
    this.headReadout.textContent = this.head.words;
    this.ahead.disabled = Math.round(this.head.yaw) === 0;
  }

  #showTable() {
    const recording = this.#recording;
    if (!recording) return;
    if (!this.objects.length) {
      this.table.replaceChildren(h("p", { class: "empty" }, "No sound was recognised in this recording."));
      return;
    }
    const known = Boolean(recording.truth);
    const heads = ["Sound", "Direction", "Height", "Distance", "When", known ? "Off by" : "Sure"];
    const rows = paired(this.objects).map((object) => this.#row(object, known));
    this.table.replaceChildren(h("table", null, h("thead", null, h("tr", null, heads.map((text, k) => h("th", { scope: "col", class: k ? "figure" : "" }, text)))), h("tbody", null, rows)));
  }

  #row(object, known) {
    const truth = object.id.startsWith("t");
    const lit = this.#lit.includes(object.id);
    const pick = () => { this.light(lit ? [] : [object.id]); this.table.querySelector(`[data-id="${object.id}"] button`)?.focus(); };
    const range = !truth && object.distance_high_m > object.distance_low_m ? h("span", { class: "muted small" }, ` (${object.distance_low_m.toFixed(1)}–${object.distance_high_m.toFixed(1)})`) : null;
    const last = known ? (truth || object.off_deg === null || object.off_deg === undefined ? "–" : `${Math.round(object.off_deg)}°`) : `${Math.round(100 * object.confidence)} %`;
    return h("tr", { class: lit ? "lit" : null, "data-id": object.id, "data-kind": truth ? "truth" : "heard" },
      h("th", { scope: "row" }, h("button", { class: "quiet chip", type: "button", "aria-pressed": String(lit), onclick: pick }, h("span", { class: `dot${truth ? " hollow" : ""}`, "--colour": object.colour }), object.spoken, known ? h("span", { class: "tag" }, truth ? "true" : "heard") : null)),
      h("td", { class: "figure" }, spoken(object.azimuth_deg)), h("td", { class: "figure" }, signed(object.elevation_deg)),
      h("td", { class: "figure" }, `${object.distance_m.toFixed(1)} m`, range), h("td", { class: "figure" }, `${object.onset_s.toFixed(1)}–${object.offset_s.toFixed(1)} s`), h("td", { class: "figure" }, last));
  }

  /** The words for what is on the map, for those who do not see it. */
  describe() {
    const heard = this.objects.filter((object) => object.id.startsWith("o"));
    announce(heard.length ? `Heard ${heard.map((object) => `${object.spoken}, ${spoken(object.azimuth_deg)}, ${object.distance_m.toFixed(1)} metres`).join("; ")}.` : "No sound was recognised.");
  }
}

/** Each heard object with the true one that it stands for below it, then what was not heard. */
function paired(objects) {
  const [heard, truth] = [objects.filter(({ id }) => id.startsWith("o")), objects.filter(({ id }) => id.startsWith("t"))];
  return [...heard.flatMap((one) => [one, ...truth.filter(({ id }) => id === one.matches)]), ...truth.filter((one) => !heard.some(({ matches }) => matches === one.id))];
}
