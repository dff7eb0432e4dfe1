// The scene that is being built: the server's Sketch with undo, selection, and the rules that keep it possible.

import { onPage } from "./angles.js";

const MARGIN_M = 0.1;
const STEPS_KEPT = 100;
const MERGE_MS = 900;
export const NEAREST_M = 0.35;
const FIRST_DISTANCE_M = 2;
const TURNS_DEG = [40, -40, 90, -90, 140, -140, 0, 180];

export const round = (value, digits = 2) => Number(value.toFixed(digits));

export class SketchDocument extends EventTarget {
  #past = []; #future = []; #merge = null;
  chosen = null;

  constructor(sketch, limits) {
    super();
    this.sketch = sketch;
    this.limits = limits;
    this.revision = 0;
  }

  /** Change the sketch by `change(sketch)`; edits with the same key in quick succession are one step of undo. */
  edit(change, key = null) {
    const before = JSON.stringify(this.sketch);
    const draft = JSON.parse(before);
    change(draft);
    this.#settle(draft);
    if (JSON.stringify(draft) === before) return;
    const now = performance.now();
    const same = key !== null && this.#merge?.key === key && now - this.#merge.at < MERGE_MS;
    if (!same) this.#past = [...this.#past.slice(1 - STEPS_KEPT), before];
    this.#merge = { key, at: now };
    this.#future = [];
    this.#become(draft);
  }

  /** Put another sketch in its place, as one step. */
  replace(sketch) { this.edit((draft) => { for (const name of Object.keys(draft)) delete draft[name]; Object.assign(draft, structuredClone(sketch)); }); }

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  undo() { this.#step(this.#past, this.#future); }
  redo() { this.#step(this.#future, this.#past); }

  #step(from, to) {
    if (!from.length) return;
    to.push(JSON.stringify(this.sketch));
    this.#merge = null;
    this.#become(JSON.parse(from.pop()));
  }

  #become(sketch) {
    this.sketch = sketch;
    this.revision += 1;
    if (this.chosen !== null && this.chosen >= sketch.events.length) this.chosen = null;
    this.dispatchEvent(new Event("change"));
  }

  choose(number) {
    if (this.chosen === number) return;
    this.chosen = number;
    this.dispatchEvent(new Event("change"));
  }

  get event() { return this.chosen === null ? null : this.sketch.events[this.chosen]; }

  /** The size of the room, or null where there are no walls. */
  get size() { return this.sketch.room.kind === "shoebox" ? this.sketch.room.size_m : null; }

  /** What cannot be: outside the walls, too close to the listener, after the end. */
  #settle(draft) {
    const size = draft.room.kind === "shoebox" ? draft.room.size_m : null;
    const least = draft.room.kind === "ground" ? MARGIN_M : -Infinity;
    const inside = (place) => place.map((value, axis) => round(size ? Math.min(Math.max(value, MARGIN_M), size[axis] - MARGIN_M) : axis === 2 ? Math.max(value, least) : value));
    const here = draft.listener.position_m = inside(draft.listener.position_m);
    for (const event of draft.events) {
      const length = (event.offset_s ?? draft.duration_s) - event.onset_s;
      event.onset_s = round(Math.min(Math.max(0, event.onset_s), draft.duration_s - 0.1));
      event.offset_s = round(Math.min(draft.duration_s, event.onset_s + Math.max(0.1, length)));
      event.path.forEach((point) => { point.position_m = inside(apart(inside(point.position_m), here)); });
    }
  }

  /** Add a sound of the bank, at a place in the room or at a free one around the listener. */
  add(sound, place = null) {
    if (this.sketch.events.length >= this.limits.build_events) return false;
    this.edit((draft) => {
      const onset = 0;
      const length = Math.min(Math.max(0.5, sound.duration_s), draft.duration_s);
      draft.events.push({
        label: sound.label, clip: sound.clip, onset_s: onset, offset_s: round(onset + length), level_db: -30,
        path: [{ time_s: 0, position_m: place ?? freePlace(draft) }],
      });
    });
    this.choose(this.sketch.events.length - 1);
    return true;
  }

  remove(number) {
    this.edit((draft) => { draft.events.splice(number, 1); });
    this.choose(null);
  }

  move(number, point, place, key) { this.edit((draft) => { draft.events[number].path[point].position_m = place; }, key); }
}

/** A place moved away from the listener if it is too close. */
function apart(place, here) {
  const away = place.map((value, axis) => value - here[axis]);
  const distance = Math.hypot(...away);
  if (distance >= NEAREST_M) return place;
  const flat = Math.hypot(away[0], away[1]) || 1;
  const along = Math.hypot(away[0], away[1]) ? [away[0] / flat, away[1] / flat] : [1, 0];
  return [here[0] + along[0] * NEAREST_M, here[1] + along[1] * NEAREST_M, place[2]];
}

function freePlace(draft) {
  const [x, y, z] = draft.listener.position_m;
  const turn = draft.listener.yaw_deg + TURNS_DEG[draft.events.length % TURNS_DEG.length];
  const [left, up] = onPage(turn, FIRST_DISTANCE_M);
  return [round(x - up), round(y - left), z];
}

/** Azimuth and distance of a place from the listener of a sketch, as it looks. */
export function fromListener(sketch, place) {
  const { position_m: here, yaw_deg: yaw } = sketch.listener;
  const [x, y, z] = place.map((value, axis) => value - here[axis]);
  return { azimuth: (Math.atan2(y, x) * 180) / Math.PI - yaw, distance: Math.hypot(x, y, z) };
}

/** At most `most` waypoints along drawn points, with times in proportion to the way between the onset and the offset. */
export function pathOf(points, event, most) {
  const lengths = points.map((_, k) => (k ? Math.hypot(points[k][0] - points[k - 1][0], points[k][1] - points[k - 1][1]) : 0));
  const reached = lengths.map((sum => (value) => (sum += value))(0));
  const total = reached.at(-1);
  const height = event.path[0].position_m[2];
  if (total < 0.1) return [{ time_s: 0, position_m: [...points[0], height] }];
  const count = Math.min(most, Math.max(2, Math.ceil(total / 0.4)));
  return Array.from({ length: count }, (_, k) => {
    const part = k / (count - 1);
    const place = Math.max(1, reached.findIndex((way) => way >= part * total - 1e-9));
    const within = lengths[place] ? (part * total - reached[place - 1]) / lengths[place] : 0;
    const [x, y] = [0, 1].map((axis) => points[place - 1][axis] + within * (points[place][axis] - points[place - 1][axis]));
    return { time_s: round(event.onset_s + part * (event.offset_s - event.onset_s)), position_m: [round(x), round(y), height] };
  });
}
