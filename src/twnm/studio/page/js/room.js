// The plan of the room that is being built: drag the listener, its gaze, sounds and their waypoints; or move them with the arrow keys.

import { spoken } from "./angles.js";
import { colourOf } from "./colours.js";
import { announce, s } from "./dom.js";
import { placed } from "./plan.js";
import { fromListener, pathOf, round } from "./sketch.js";

const PAD = 30;
const GAZE = 34;
const STEP_M = 0.1;
const TURN_DEG = 5;
const WAYPOINTS = 8;
const ARROWS = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, 1], ArrowRight: [0, -1] };
export const SOUND_TYPE = "application/x-twnm-sound";

export class RoomPlan {
  #frame = null; #held = null; #drawing = false;

  constructor(document, spokenOf) {
    this.document = document;
    this.spokenOf = spokenOf;
    this.element = s("svg", { class: "room", role: "group", "aria-label": "Plan of the room from above; the top is the front" });
    this.element.addEventListener("pointerdown", (event) => this.#press(event));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focusin", (event) => this.#focused(event));
    this.element.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes(SOUND_TYPE)) { event.preventDefault(); this.element.classList.add("over"); } });
    this.element.addEventListener("dragleave", () => this.element.classList.remove("over"));
    this.element.addEventListener("drop", (event) => this.#drop(event));
    document.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** The next drag draws the way of the chosen sound. */
  drawPath() {
    this.#drawing = true;
    this.element.classList.add("drawing");
    announce("Draw the way of the sound on the plan.");
  }

  get drawingPath() { return this.#drawing; }

  /** What part of the world is shown: origin and pixels per metre; kept while something is dragged. */
  #measure() {
    const { clientWidth: width, clientHeight: height } = this.element;
    const { sketch, size } = this.document;
    let [low, high] = [[0, 0], size ?? [0, 0]];
    if (!size) {
      const [x, y] = sketch.listener.position_m;
      const reach = 1.15 * Math.max(4, ...sketch.events.flatMap(({ path }) => path.map(({ position_m: p }) => Math.hypot(p[0] - x, p[1] - y))));
      [low, high] = [[x - reach, y - reach], [x + reach, y + reach]];
    }
    const scale = Math.min((width - 2 * PAD) / (high[1] - low[1]), (height - 2 * PAD) / (high[0] - low[0]));
    const [middleX, middleY] = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
    return { width, height, scale, low, high, middleX, middleY };
  }

  /** A place of the room on the page: front is up, left is left. */
  #page([x, y]) {
    const { width, height, scale, middleX, middleY } = this.#frame;
    return [width / 2 + (middleY - y) * scale, height / 2 + (middleX - x) * scale];
  }

  #room(event) {
    const box = this.element.getBoundingClientRect();
    const { width, height, scale, middleX, middleY } = this.#frame;
    return [round(middleX - (event.clientY - box.y - height / 2) / scale), round(middleY - (event.clientX - box.x - width / 2) / scale)];
  }

  draw() {
    if (!this.element.clientWidth) return;
    if (!this.#held) this.#frame = this.#measure();
    const { width, height } = this.#frame;
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.handle : null;
    const { sketch } = this.document;
    const names = sketch.events.map((event) => { const [x, y] = this.#page(event.path[0].position_m); return { x: x - width / 2, y: y - height / 2, text: this.spokenOf(event.label), sounding: true }; });
    this.element.replaceChildren(this.#floor(), ...sketch.events.map((event, number) => this.#path(event, number)), this.#listener(),
      ...sketch.events.flatMap((event, number) => event.path.map((_, point) => this.#source(event, number, point)).reverse()),
      s("g", { transform: `translate(${width / 2} ${height / 2})` }, placed(names, [width / 2, height / 2]).map(({ text, left, top }) => s("text", { class: "name", x: left, y: top }, text))));
    if (focused) this.element.querySelector(`[data-handle="${focused}"]`)?.focus();
  }

  #floor() {
    const { low, high, scale } = this.#frame;
    const { size, sketch } = this.document;
    const [left, top] = this.#page([high[0], high[1]]);
    const [wide, deep] = [(high[1] - low[1]) * scale, (high[0] - low[0]) * scale];
    const mesh = [];
    for (let y = Math.ceil(low[1]); y <= high[1]; y++) { const [x] = this.#page([0, y]); mesh.push(`M${x} ${top}V${top + deep}`); }
    for (let x = Math.ceil(low[0]); x <= high[0]; x++) { const [, y] = this.#page([x, 0]); mesh.push(`M${left} ${y}H${left + wide}`); }
    const words = size ? [`${size[1]} m`, `${size[0]} m`] : ["", ""];
    return s("g", null, s("rect", { class: "floor", x: left, y: top, width: wide, height: deep, rx: size ? 0 : 8, "stroke-dasharray": size ? null : "4 5" }), s("path", { class: "mesh", d: mesh.join("") }),
      s("text", { class: "wall", x: left + wide / 2, y: top - 9 }, size ? `front · ${words[0]}` : sketch.room.kind === "ground" ? "front · outdoors, a grid of 1 m" : "front · free field, a grid of 1 m"),
      size ? s("text", { class: "wall", x: left - 10, y: top + deep / 2, transform: `rotate(-90 ${left - 10} ${top + deep / 2})` }, words[1]) : null);
  }

  #listener() {
    const { listener } = this.document.sketch;
    const [x, y] = this.#page(listener.position_m);
    const turn = (listener.yaw_deg * Math.PI) / 180;
    const [tipX, tipY] = [x - GAZE * Math.sin(turn), y - GAZE * Math.cos(turn)];
    const label = `Listener, looks ${spoken(listener.yaw_deg)}; arrow keys move, comma and full stop turn`;
    return s("g", null, s("path", { class: "look", d: `M${x} ${y}L${tipX} ${tipY}` }),
      s("g", { class: "handle", "data-handle": "gaze" }, s("circle", { r: 14, cx: tipX, cy: tipY, fill: "transparent" }), s("circle", { class: "knob", r: 5, cx: tipX, cy: tipY })),
      s("g", { class: "handle", "data-handle": "listener", tabindex: 0, role: "button", "aria-label": label }, s("circle", { class: "focus", r: 16, cx: x, cy: y }), s("circle", { class: "me", r: 10, cx: x, cy: y })));
  }

  #path(event, number) {
    if (event.path.length < 2) return s("g", null);
    return s("path", { class: "path", "--colour": colourOf(number), d: `M${event.path.map(({ position_m: place }) => this.#page(place).join(" ")).join("L")}` });
  }

  #source(event, number, point) {
    const { sketch, chosen } = this.document;
    const [x, y] = this.#page(event.path[point].position_m);
    const { azimuth, distance } = fromListener(sketch, event.path[point].position_m);
    const what = point ? `${this.spokenOf(event.label)}, waypoint ${point + 1}` : this.spokenOf(event.label);
    const label = `${what}: ${spoken(azimuth)}, ${distance.toFixed(1)} m; arrow keys move, Delete removes`;
    return s("g", { class: `handle${point ? " later" : ""}${chosen === number ? " chosen" : ""}`, "--colour": colourOf(number), "data-handle": `${number}.${point}`, tabindex: 0, role: "button", "aria-label": label },
      s("circle", { r: 16, cx: x, cy: y, fill: "transparent" }), s("circle", { class: "focus", r: point ? 12 : 15, cx: x, cy: y }), s("circle", { class: "disc", r: point ? 5.5 : 9, cx: x, cy: y }));
  }

  #focused({ target }) {
    const { handle } = target.dataset;
    if (handle?.includes(".")) this.document.choose(Number(handle.split(".")[0]));
  }

  #press(event) {
    if (event.button !== 0) return;
    if (this.#drawing && this.document.event) return this.#draw(event);
    const handle = event.target.closest("[data-handle]")?.dataset.handle;
    if (!handle) return this.document.choose(null);
    event.preventDefault();
    this.#held = handle;
    this.element.querySelector(`[data-handle="${handle === "gaze" ? "listener" : handle}"]`).focus({ preventScroll: true });
    this.#drag((move) => this.#take(handle, this.#room(move)), () => { this.#held = null; this.draw(); });
  }

  #drag(onmove, onend) {
    const abort = new AbortController();
    addEventListener("pointermove", onmove, { signal: abort.signal });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { abort.abort(); onend(); }, { signal: abort.signal });
  }

  #take(handle, [x, y]) {
    const { document: doc } = this;
    if (handle === "listener") doc.edit((draft) => { draft.listener.position_m = [x, y, draft.listener.position_m[2]]; }, handle);
    else if (handle === "gaze") doc.edit(({ listener }) => { listener.yaw_deg = Math.round((Math.atan2(y - listener.position_m[1], x - listener.position_m[0]) * 180) / Math.PI); }, handle);
    else {
      const [number, point] = handle.split(".").map(Number);
      doc.move(number, point, [x, y, doc.sketch.events[number].path[point].position_m[2]], handle);
    }
  }

  #draw(event) {
    const points = [this.#room(event)];
    const number = this.document.chosen;
    this.#held = "path";
    this.#drag((move) => points.push(this.#room(move)), () => {
      this.#held = null;
      this.#drawing = false;
      this.element.classList.remove("drawing");
      this.document.edit((draft) => { draft.events[number].path = pathOf(points, draft.events[number], WAYPOINTS); });
      this.document.dispatchEvent(new Event("change"));
    });
  }

  #key(event) {
    const { handle } = event.target.dataset;
    if (!handle || event.ctrlKey || event.metaKey || event.altKey) return;
    const { document: doc } = this;
    const size = event.shiftKey ? 5 * STEP_M : STEP_M;
    const moved = ARROWS[event.key]?.map((part) => part * size);
    const [number, point] = handle.split(".").map(Number);
    if (moved && handle === "listener") doc.edit(({ listener }) => { listener.position_m = listener.position_m.map((value, axis) => value + (moved[axis] ?? 0)); }, "keys");
    else if (handle === "listener" && (event.key === "," || event.key === ".")) doc.edit(({ listener }) => { listener.yaw_deg += event.key === "," ? TURN_DEG : -TURN_DEG; }, "keys");
    else if (moved) doc.move(number, point, doc.sketch.events[number].path[point].position_m.map((value, axis) => value + (moved[axis] ?? 0)), "keys");
    else if (event.key === "Delete" && handle !== "listener") {
      if (point) doc.edit((draft) => { draft.events[number].path.splice(point, 1); });
      else doc.remove(number);
    } else return;
    event.preventDefault();
    const now = this.element.querySelector(`[data-handle="${handle}"]`);
    if (now) announce(now.getAttribute("aria-label").split(";")[0]);
  }

  #drop(event) {
    this.element.classList.remove("over");
    const sound = event.dataTransfer.getData(SOUND_TYPE);
    if (!sound) return;
    event.preventDefault();
    this.document.add(JSON.parse(sound), [...this.#room(event), this.document.sketch.listener.position_m[2]]);
  }
}
