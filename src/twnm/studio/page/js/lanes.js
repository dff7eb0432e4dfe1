// When each sound of the built scene sounds: one lane each, bars to drag and to stretch.

import { colourOf } from "./colours.js";
import { h } from "./dom.js";
import { round } from "./sketch.js";

export class Lanes {
  constructor(document, spokenOf) {
    this.document = document;
    this.spokenOf = spokenOf;
    this.list = h("div", { class: "lanes" });
    this.scale = h("div", { class: "scale", "aria-hidden": "true" });
    this.element = h("div", { class: "stack tight", role: "group", "aria-label": "When the sounds sound" }, this.list, this.scale);
    document.addEventListener("change", () => this.draw());
    this.draw();
  }

  draw() {
    const { sketch, chosen } = this.document;
    const focus = this.list.contains(document.activeElement) ? document.activeElement.dataset.lane : null;
    this.list.replaceChildren(...sketch.events.map((event, number) => h("div", { class: "lane" },
      h("button", { class: "quiet", type: "button", "data-lane": number, "aria-pressed": String(chosen === number), onclick: () => this.document.choose(chosen === number ? null : number) },
        h("span", { class: "dot", "--colour": colourOf(number) }), h("span", null, this.spokenOf(event.label))),
      this.#rail(event, number))));
    this.scale.replaceChildren(...Array.from({ length: 6 }, (_, k) => h("span", null, `${round((k / 5) * sketch.duration_s, 1)} s`)));
    this.element.hidden = !sketch.events.length;
    if (focus !== null) this.list.querySelector(`[data-lane="${focus}"]`)?.focus();
  }

  #rail(event, number) {
    const { sketch, chosen } = this.document;
    const bar = h("div", { class: `bar${chosen === number ? " chosen" : ""}`, "--colour": colourOf(number), title: `${event.onset_s.toFixed(2)}–${event.offset_s.toFixed(2)} s` }, h("i"));
    bar.style.left = `${(100 * event.onset_s) / sketch.duration_s}%`;
    bar.style.width = `${(100 * (event.offset_s - event.onset_s)) / sketch.duration_s}%`;
    const rail = h("div", { class: "rail" }, bar);
    bar.addEventListener("pointerdown", (down) => this.#drag(down, rail, number));
    return rail;
  }

  #drag(down, rail, number) {
    down.preventDefault();
    const stretch = down.target.tagName === "I";
    const { onset_s: onset, offset_s: offset } = this.document.sketch.events[number];
    const perPixel = this.document.sketch.duration_s / rail.clientWidth;
    this.document.choose(number);
    const abort = new AbortController();
    addEventListener("pointermove", (move) => {
      const by = (move.clientX - down.clientX) * perPixel;
      this.document.edit((draft) => { shift(draft.events[number], stretch ? onset : Math.min(Math.max(0, onset + by), draft.duration_s - (offset - onset)), stretch ? offset + by : null, offset - onset); }, `lane ${number}`);
    }, { signal: abort.signal });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => abort.abort(), { signal: abort.signal });
  }
}

/** Give an event another onset and offset; the times of its waypoints go with the onset. */
export function shift(event, onset, offset, length) {
  const by = onset - event.onset_s;
  event.onset_s = round(onset);
  event.offset_s = round(Math.max(onset + 0.1, offset ?? onset + length));
  if (event.path.length > 1) event.path.forEach((point) => { point.time_s = round(Math.max(0, point.time_s + by)); });
}
