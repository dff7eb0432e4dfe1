// A scene beside its twin: where the model hears each object before and after, and its answers to the same questions.

import { spoken, wrap } from "./angles.js";
import { h } from "./dom.js";
import { transformOf, verdict } from "./turns.js";

const NEAR_DEG = 25;

/** What became of each true object in the model's ears, and of each answer. `pairs` are [before, after] entries of the talk. */
export function comparison(before, after, pairs) {
  const turn = transformOf(after.transform);
  const rows = (before.truth?.objects ?? []).map((truth, place) => objectRow(truth, heardAs(before, truth), heardAs(after, after.truth?.objects[place]), turn));
  const answers = pairs.map(([first, second]) => answerRow(first, second, after.transform));
  return h("section", { class: "card pad twins", "aria-label": "Twin" }, h("h2", null, `Twin: ${titleOf(after.transform)}`),
    h("p", { class: "lead small" }, "The same sounds, moved exactly. Who hears where they are gives answers that move with them."),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Directions and answers before and after" }, h("table", null,
      h("thead", null, h("tr", null, ["", "Before", "Twin", "Follows"].map((text) => (text ? h("th", { scope: "col" }, text) : h("td", null))))), h("tbody", null, rows, answers))));
}

export function titleOf(transform) {
  const [, mirrored, yaw] = /^(mirror)? ?(?:yaw (-?\d+))?$/.exec(transform) ?? [];
  return [mirrored ? "left and right exchanged" : null, yaw ? `turned ${Math.abs(yaw)}°${Math.abs(yaw) === 180 ? "" : yaw > 0 ? " to the left" : " to the right"}` : null].filter(Boolean).join(", ") || transform;
}

const heardAs = (recording, truth) => recording.objects.find(({ id }) => truth && id === truth.matches) ?? null;

function objectRow(truth, first, second, turn) {
  const [from, to] = [first, second].map((object) => (object ? `${spoken(object.azimuth_deg)}${object.label === truth.label ? "" : ` (as ${object.spoken})`}` : "not heard"));
  const follows = first && second ? Math.abs(wrap(second.azimuth_deg - turn(first.azimuth_deg))) <= NEAR_DEG : null;
  return h("tr", null, h("th", { scope: "row" }, truth.spoken), h("td", null, from), h("td", null, to), h("td", null, mark(follows === null ? null : follows ? "turned" : "not turned")));
}

function answerRow(first, second, transform) {
  const [from, to] = [first, second].map((entry) => entry?.reply?.answer ?? entry?.error ?? "–");
  return h("tr", null, h("th", { scope: "row" }, first.question), h("td", { class: "wide" }, from), h("td", { class: "wide" }, to), h("td", null, mark(first.reply && second?.reply ? verdict(from, to, transform) : null)));
}

const mark = (word) => (word ? h("span", { class: `tag ${word === "turned" ? "good" : "bad"}` }, word) : h("span", { class: "muted" }, "no direction"));
