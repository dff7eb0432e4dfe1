// The plan view: the listener at the centre looking up the page, left at the left, rings of distance, one colour per object.
// Filled discs are what was heard, hollow rings what is true. The map turns with the head: what is in front of it is up.

import { onPage, azimuthOf, signed, spread, wrap } from "./angles.js";
import { s } from "./dom.js";

const EDGE = 150;
const STEPS_M = [0.5, 1, 2, 5, 10, 20, 50, 100, 200];
const LEAST_SPREAD_DEG = 4;
const LETTER = 7.3;
const KEYS = { ArrowLeft: 5, ArrowRight: -5, PageUp: 30, PageDown: -30 };

/** Where an object is at a time: its direction in that frame of 100 ms, else its mean one. */
export function placeAt(object, time) {
  const frame = time === null ? -1 : Math.floor((time - object.onset_s) / 0.1);
  const azimuth = object.azimuths_deg?.[frame] ?? object.azimuth_deg;
  const elevation = object.elevations_deg?.[frame] ?? object.elevation_deg;
  return { azimuth, elevation, flat: object.distance_m * Math.cos((elevation * Math.PI) / 180) };
}

export class PlanView {
  #objects = []; #time = null; #lit = new Set(); #scale = 1; #step = 1; #covered = [];

  constructor(head, { onpick } = {}) {
    this.head = head;
    this.onpick = onpick;
    this.element = s("svg", {
      class: "plan", viewBox: "-186 -184 372 368", role: "slider", tabindex: 0, "aria-label": "Head direction, with the map of the sounds around it",
      "aria-valuemin": -180, "aria-valuemax": 180, "aria-valuenow": 0, "aria-valuetext": head.words,
    });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("pointerdown", (event) => this.#grab(event));
    head.addEventListener("turn", () => this.draw());
  }

  /** Show heard and true objects; a true one has an id that begins with t. */
  show(objects) {
    this.#objects = objects;
    const reach = Math.max(1, ...objects.map((object) => object.distance_m)) * 1.12;
    this.#step = STEPS_M.find((step) => step >= reach / 4.5) ?? 500;
    this.#scale = EDGE / reach;
    this.draw();
  }

  /** The moment to show, or null for the whole recording. */
  setTime(time) {
    if (time === null && this.#time === null) return;
    this.#time = time;
    this.draw();
  }

  light(ids) {
    this.#lit = new Set(ids);
    this.draw();
  }

  draw() {
    this.element.setAttribute("aria-valuenow", Math.round(this.head.yaw));
    this.element.setAttribute("aria-valuetext", this.head.words);
    const labels = [];
    this.element.replaceChildren(
      this.#field(), this.#compass(), ...this.#objects.map((object) => this.#object(object, labels)), listener(), ...placed(labels, undefined, this.#covered).map(label));
  }

  /** Rings of distance, and what lies in front of the head and to its sides. */
  #field() {
    const rings = [];
    this.#covered = [{ x: 0, y: 0, w: 15, h: 18 }];
    for (let radius = this.#step; radius * this.#scale < EDGE * 0.99; radius += this.#step) {
      const size = radius * this.#scale;
      rings.push(s("circle", { class: "ring", r: size }));
      const place = size * 0.7071;
      if (size > 26) rings.push(s("text", { class: "far", x: place, y: place + 3 }, `${+radius.toFixed(1)} m`));
      if (size > 26) this.#covered.push({ x: place, y: place, w: 12, h: 5 });
    }
    const sides = [["front", 0, -167], ["back", 0, 173], ["left", -158, 4, "end"], ["right", 158, 4, "start"]];
    return s("g", null, s("circle", { class: "ground", r: EDGE }), s("path", { class: "cross", d: `M0 ${-EDGE}V${EDGE}M${-EDGE} 0H${EDGE}` }), rings,
      sides.map(([name, x, y, anchor]) => s("text", { class: "side", x, y, "text-anchor": anchor ?? "middle" }, name)));
  }

  /** Ticks every 30° that turn with the recording, and a mark at the recording's own front. */
  #compass() {
    const ticks = Array.from({ length: 12 }, (_, k) => {
      const [x, y] = onPage(30 * k - this.head.yaw, 1);
      return s("path", { class: "tick", d: `M${x * EDGE} ${y * EDGE}L${x * (EDGE + 5)} ${y * (EDGE + 5)}` });
    });
    const [left, top] = onPage(-this.head.yaw, EDGE + 6);
    this.#covered.push({ x: left, y: top, w: 6, h: 6 });
    const mark = s("path", { class: "north", d: `M0 ${-EDGE - 1}l5 -8h-10z`, transform: `rotate(${this.head.yaw})` });
    return s("g", null, ticks, s("circle", { class: "rim", r: EDGE }), mark);
  }

  #object(object, labels) {
    const truth = object.id.startsWith("t");
    const sounding = this.#time === null || (this.#time >= object.onset_s && this.#time < object.offset_s);
    const { azimuth, elevation, flat } = placeAt(object, this.#time);
    const [x, y] = onPage(azimuth - this.head.yaw, flat * this.#scale);
    const lit = this.#lit.has(object.id);
    const group = s("g", { class: `object${truth ? " true" : ""}${lit ? " lit" : ""}${sounding ? "" : " silent"}`, "--colour": object.colour, "data-id": object.id, "data-azimuth": wrap(azimuth - this.head.yaw).toFixed(1) });
    if (!truth) group.append(this.#doubt(object), s("path", { class: "ray", d: `M0 0L${x} ${y}` }));
    if (object.azimuths_deg?.length > 1 && spread(object.azimuths_deg) > 6) group.append(this.#way(object));
    if (lit) group.append(s("circle", { class: "halo", cx: x, cy: y, r: 15 }));
    group.append(s("circle", { class: "spot", cx: x, cy: y, r: truth ? 11 : 7.5 }));
    group.addEventListener("click", () => this.onpick?.(object.id));
    const height = Math.abs(elevation) >= 15 ? ` ${signed(elevation)}${elevation > 0 ? " up" : " down"}`.replace("−", "") : "";
    const known = truth && this.#objects.some((other) => other.id === object.matches && other.label === object.label);
    if (!known) labels.push({ x, y, text: truth ? `(${object.spoken})` : object.spoken + height.replace("+", ""), sounding, lit });
    else labels.push({ x, y, text: "" });
    return group;
  }

  /** The part of the plan where the model takes the object to be: its distance interval and the spread of its directions. */
  #doubt(object) {
    const flat = Math.cos((object.elevation_deg * Math.PI) / 180) * this.#scale;
    const near = (object.distance_low_m ?? object.distance_m) * flat;
    const far = Math.min(EDGE, (object.distance_high_m ?? object.distance_m) * flat);
    const still = spread(object.azimuths_deg ?? []) <= 25;
    const wide = Math.max(LEAST_SPREAD_DEG, still ? spread(object.azimuths_deg ?? []) : LEAST_SPREAD_DEG);
    const { azimuth } = still ? { azimuth: object.azimuth_deg } : placeAt(object, this.#time);
    const at = (angle, radius) => onPage(azimuth + angle - this.head.yaw, radius).join(" ");
    const d = `M${at(wide, near)}L${at(wide, far)}A${far} ${far} 0 0 1 ${at(-wide, far)}L${at(-wide, near)}A${near} ${near} 0 0 0 ${at(wide, near)}Z`;
    return s("path", { class: "doubt", d });
  }

  #way(object) {
    const points = object.azimuths_deg.map((azimuth, frame) => {
      const flat = object.distance_m * Math.cos(((object.elevations_deg?.[frame] ?? 0) * Math.PI) / 180);
      return onPage(azimuth - this.head.yaw, flat * this.#scale).map((value) => value.toFixed(1)).join(" ");
    });
    return s("path", { class: "way", d: `M${points.join("L")}` });
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = KEYS[event.key];
    if (step !== undefined) this.head.turnBy(event.shiftKey ? 3 * step : step);
    else if (event.key === "Home") this.head.turnTo(0);
    else return;
    event.preventDefault();
  }

  /** Turn the map by dragging it around its centre. */
  #grab(event) {
    if (event.button !== 0) return;
    const angle = (move) => {
      const box = this.element.getBoundingClientRect();
      return azimuthOf(move.clientX - box.x - box.width / 2, move.clientY - box.y - box.height / 2);
    };
    let last = angle(event);
    const abort = new AbortController();
    const drag = (move) => {
      this.element.classList.add("grabbed");
      const now = angle(move);
      this.head.turnBy(last - now);
      last = now;
    };
    const end = () => { abort.abort(); this.element.classList.remove("grabbed"); };
    addEventListener("pointermove", drag, { signal: abort.signal });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, end, { signal: abort.signal });
  }
}

const listener = () => s("g", { class: "listener" }, s("path", { d: "M-6 -7L0 -18L6 -7Z" }), s("ellipse", { cx: -11, cy: 0, rx: 3.4, ry: 5 }), s("ellipse", { cx: 11, cy: 0, rx: 3.4, ry: 5 }), s("circle", { r: 10 }));

const label = ({ text, left, top, sounding, lit }) => s("text", { class: `name${sounding ? "" : " silent"}${lit ? " lit" : ""}`, x: left, y: top }, text);

/** Each name beside its spot, where it covers no spot and no other name. */
export function placed(labels, [wide, high] = [184, 182], covered = []) {
  const taken = [...covered, ...labels.map(({ x, y }) => ({ x, y, w: 10, h: 10 }))];
  const out = [];
  for (const one of labels.filter(({ text }) => text)) {
    const half = (one.text.length * LETTER) / 2;
    const tries = [14, 22, 34].flatMap((away) => [[half + away, 0], [-half - away, 0], [0, -away - 6], [0, away + 6], [half * 0.8 + away, -away], [-half * 0.8 - away, -away], [half * 0.8 + away, away], [-half * 0.8 - away, away]]);
    const free = ([dx, dy]) => {
      const [x, y] = [one.x + dx, one.y + dy];
      return Math.abs(x) + half < wide && Math.abs(y) + 8 < high && taken.every((box) => Math.abs(box.x - x) > box.w + half || Math.abs(box.y - y) > box.h + 7);
    };
    const [dx, dy] = tries.find(free) ?? [Math.min(Math.max(0, half - wide - one.x), wide - half - one.x), -17];
    const [x, y] = [one.x + dx, one.y + dy];
    taken.push({ x, y, w: half, h: 7 });
    out.push({ ...one, left: x, top: y + 4 });
  }
  return out;
}
