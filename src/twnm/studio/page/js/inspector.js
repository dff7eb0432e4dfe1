// The numbers of the built scene: room, listener, background, and the sound that is chosen.

import { field, h, icon } from "./dom.js";
import { shift } from "./lanes.js";
import { round } from "./sketch.js";

const SURFACES = ["asphalt", "grass", "gravel", "sand", "snow", "soil", "water"];
const AXES = ["front", "left", "height"];
const WAYPOINTS = 8;

export class Inspector {
  #bound = []; #shape = "";

  constructor(document, spokenOf, plan) {
    this.document = document;
    this.spokenOf = spokenOf;
    this.plan = plan;
    this.element = h("section", { class: "card pad inspector", "aria-label": "Numbers" });
    document.addEventListener("change", () => this.show());
    this.show();
  }

  /** Fields follow the sketch; they are made anew only when there are other fields to show. */
  show() {
    const { sketch, chosen, event } = this.document;
    const shape = [sketch.room.kind, chosen, event?.path.length, event?.label, sketch.ambience_snr_db === null].join(" ");
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#bound = [];
      this.element.replaceChildren(...(event ? [this.#sound(event)] : []), this.#room(), this.#listener(), this.#background());
    }
    for (const [input, get] of this.#bound) if (input !== document.activeElement) input.value = get(this.document.sketch);
  }

  /** A number that is read from and written to the sketch. */
  #number(label, get, set, { min, max, step = 0.1 } = {}) {
    const write = () => {
      const value = input.valueAsNumber;
      if (Number.isFinite(value)) this.document.edit((draft) => set(draft, Math.min(Math.max(value, min ?? -1e6), max ?? 1e6)), label);
    };
    const input = h("input", { type: "number", min, max, step, inputmode: "decimal", oninput: write, onblur: () => { input.value = get(this.document.sketch); } });
    this.#bound.push([input, get]);
    return field(label, input);
  }

  #room() {
    const { room } = this.document.sketch;
    const kind = h("select", { onchange: () => this.#setKind(kind.value) }, [["shoebox", "A room"], ["ground", "Outdoors"], ["free", "Free field"]].map(([value, text]) => h("option", { value, selected: value === room.kind }, text)));
    const size = (axis) => [(sketch) => sketch.room.size_m?.[axis] ?? "", (draft, value) => { draft.room.size_m[axis] = value; }];
    return h("div", null, h("h3", null, "Place"), h("div", { class: "fields two" }, field("Kind", kind),
      this.#number("Length of scene, s", (sketch) => sketch.duration_s, (draft, value) => { draft.duration_s = value; }, { min: 1, max: this.document.limits.build_duration_s, step: 0.5 })),
      room.kind === "shoebox" ? [h("div", { class: "fields gap" }, this.#number("Depth, m", ...size(0), { min: 2, max: 30 }), this.#number("Width, m", ...size(1), { min: 2, max: 30 }), this.#number("Height, m", ...size(2), { min: 2, max: 12 })), this.#reverberation()] : null,
      room.kind === "ground" ? h("div", { class: "fields two gap" }, this.#surface(room)) : null);
  }

  #reverberation() {
    const slider = h("input", { type: "range", min: 0.1, max: 2, step: 0.05, "aria-label": "Reverberation time, seconds", oninput: () => this.document.edit((draft) => { draft.room.rt60_s = slider.valueAsNumber; }, "rt60") });
    this.#bound.push([slider, (sketch) => sketch.room.rt60_s ?? 0.5]);
    return h("div", { class: "reverb gap" }, this.#number("RT60, s", (sketch) => (sketch.room.rt60_s ? round(sketch.room.rt60_s) : ""), (draft, value) => { draft.room.rt60_s = value; }, { min: 0.1, max: 2, step: 0.05 }), slider);
  }

  #surface(room) {
    const choice = h("select", { onchange: () => this.document.edit((draft) => { draft.room.surface = choice.value; }) }, SURFACES.map((value) => h("option", { value, selected: value === room.surface }, value)));
    return field("Ground", choice);
  }

  #setKind(kind) {
    this.document.edit((draft) => {
      draft.room = kind === "shoebox" ? { kind, size_m: [...AXES.keys()].map((axis) => round(roomFor(draft, axis), 1)), rt60_s: 0.5 } : kind === "ground" ? { kind, surface: "grass" } : { kind };
      if (kind === "shoebox") intoRoom(draft);
    });
  }

  #listener() {
    const place = (axis) => [(sketch) => round(sketch.listener.position_m[axis]), (draft, value) => { draft.listener.position_m[axis] = value; }];
    return h("div", null, h("h3", null, "Listener"), h("div", { class: "fields" }, this.#number("To front, m", ...place(0)), this.#number("To left, m", ...place(1)), this.#number("Ears at, m", ...place(2))),
      h("div", { class: "fields two gap" }, this.#number("Looks to, ° left", (sketch) => round(sketch.listener.yaw_deg, 1), (draft, value) => { draft.listener.yaw_deg = value; }, { min: -360, max: 360, step: 5 })));
  }

  #background() {
    const { sketch } = this.document;
    const on = sketch.ambience_snr_db !== null && sketch.ambience_snr_db !== undefined;
    const check = h("input", { type: "checkbox", checked: on, onchange: () => this.document.edit((draft) => { draft.ambience_snr_db = check.checked ? 25 : null; }) });
    return h("div", null, h("h3", null, "Background"), h("label", { class: "check" }, check, "Diffuse noise"),
      on ? h("div", { class: "fields two gap" }, this.#number("SNR, dB", (now) => round(now.ambience_snr_db ?? 0, 1), (draft, value) => { draft.ambience_snr_db = value; }, { min: 0, max: 60, step: 1 })) : null);
  }

  #sound(event) {
    const { chosen } = this.document;
    const of = (sketch) => sketch.events[chosen] ?? event;
    const repeat = h("input", { type: "checkbox", checked: Boolean(event.repeat), onchange: () => this.document.edit((draft) => { of(draft).repeat = repeat.checked; }) });
    return h("div", null, h("div", { class: "row apart" }, h("h3", null, this.spokenOf(event.label)), h("button", { class: "quiet icon", type: "button", "aria-label": "Remove this sound", onclick: () => this.document.remove(chosen) }, icon("remove"))),
      h("div", { class: "fields" },
        this.#number("Onset, s", (sketch) => of(sketch).onset_s, (draft, value) => shift(of(draft), Math.min(value, draft.duration_s - 0.1), null, of(draft).offset_s - of(draft).onset_s), { min: 0, max: 60 }),
        this.#number("Length, s", (sketch) => round(of(sketch).offset_s - of(sketch).onset_s), (draft, value) => { of(draft).offset_s = round(of(draft).onset_s + value); }, { min: 0.1, max: 60 }),
        this.#number("Level, dB", (sketch) => round(of(sketch).level_db, 1), (draft, value) => { of(draft).level_db = value; }, { min: -60, max: 0, step: 1 })),
      h("div", { class: "fields two gap" },
        this.#number("Height, m", (sketch) => round(of(sketch).path[0].position_m[2]), (draft, value) => { of(draft).path.forEach((point) => { point.position_m[2] = value; }); }),
        h("label", { class: "check" }, repeat, "Repeat to fill")),
      this.#points(event, of));
  }

  /** The way of a sound, point by point. */
  #points(event, of) {
    const cell = (point, label, get, set, step) => {
      const made = this.#number(label, (sketch) => (of(sketch).path[point] ? get(of(sketch).path[point]) : ""), (draft, value) => set(of(draft), value), { step });
      made.firstChild.classList.add("unseen");
      return h("td", null, made);
    };
    const rows = event.path.map((_, point) => h("tr", null,
      event.path.length > 1 ? cell(point, `Point ${point + 1}, time, s`, (one) => one.time_s, (one, value) => setTime(one.path, point, value), 0.1) : null,
      AXES.slice(0, 2).map((name, axis) => cell(point, `Point ${point + 1}, ${name}, m`, (one) => round(one.position_m[axis]), (one, value) => { one.path[point].position_m[axis] = value; }, 0.1)),
      event.path.length > 1 ? h("td", null, h("button", { class: "quiet icon", type: "button", "aria-label": `Remove point ${point + 1}`, onclick: () => this.document.edit((draft) => { of(draft).path.splice(point, 1); if (of(draft).path.length === 1) of(draft).path[0].time_s = 0; }) }, icon("remove"))) : null));
    const heads = [...(event.path.length > 1 ? ["at, s"] : []), "front, m", "left, m", ...(event.path.length > 1 ? [""] : [])];
    return h("div", { class: "gap" },
      h("table", { class: "points" }, h("thead", null, h("tr", null, heads.map((text) => (text ? h("th", { scope: "col" }, text) : h("td", null))))), h("tbody", null, rows)),
      h("div", { class: "row gap" }, h("button", { type: "button", disabled: event.path.length >= WAYPOINTS, onclick: () => this.document.edit((draft) => addPoint(of(draft))) }, icon("plus"), "Waypoint"),
        h("button", { type: "button", onclick: () => this.plan.drawPath() }, "Draw a path")));
  }
}

/** Times along a path go on rising. */
function setTime(path, point, value) {
  const [least, most] = [point ? path[point - 1].time_s + 0.05 : 0, path[point + 1] ? path[point + 1].time_s - 0.05 : Infinity];
  path[point].time_s = round(Math.min(Math.max(value, least), most));
}

/** One more place, a metre to the right of the last, reached when the sound ends. */
function addPoint(event) {
  const last = event.path.at(-1);
  if (event.path.length === 1) last.time_s = event.onset_s;
  const time = last.time_s < event.offset_s - 0.05 ? event.offset_s : last.time_s + 1;
  event.path.push({ time_s: round(time), position_m: [last.position_m[0], round(last.position_m[1] - 1), last.position_m[2]] });
}

/** The size of a room around everything in a scene without walls. */
function roomFor(draft, axis) {
  const values = [draft.listener.position_m, ...draft.events.flatMap(({ path }) => path.map((point) => point.position_m))].map((place) => place[axis]);
  return Math.min(axis === 2 ? 12 : 30, Math.max(axis === 2 ? 2.8 : 5, Math.max(...values) - Math.min(...values) + 1));
}

/** Everything moved so that it stands in the middle of the room. */
function intoRoom(draft) {
  for (const axis of [0, 1]) {
    const points = [draft.listener, ...draft.events.flatMap(({ path }) => path)];
    const values = points.map((point) => point.position_m[axis]);
    const by = draft.room.size_m[axis] / 2 - (Math.max(...values) + Math.min(...values)) / 2;
    for (const point of points) point.position_m[axis] += by;
  }
}
