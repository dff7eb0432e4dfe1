// What a reply was, as a sign for the eye and a word for the ear.

import { h } from "./dom.js";

const MARKS = { right: ["✓", "right"], wrong: ["✗", "wrong"], unparseable: ["?", "wrong"], failed: ["!", "wrong"] };

/** A sign and a word for what a reply was. */
export function outcome(name) {
  if (!name) return h("span", { class: "muted" }, "–");
  const [sign, kind] = MARKS[name] ?? [name, "wrong"];
  return h("span", { class: `mark-${kind}`, title: name }, h("span", { "aria-hidden": "true" }, sign), h("span", { class: "unseen" }, name));
}
