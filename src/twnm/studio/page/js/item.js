// One item of a benchmark: its recording to hear and see, the question with its options, and what each system said.

import { api } from "./api.js";
import { busy, h, problem } from "./dom.js";
import { outcome } from "./outcome.js";
import { Stage } from "./stage.js";
import { Talk } from "./talk.js";

const LETTERS = "ABCDEFGH";

export class Item {
  #shown = "";

  constructor() {
    this.stage = new Stage();
    this.talk = new Talk(this.stage);
    this.head = h("div", { class: "stack" });
    this.sound = h("section", { class: "card pad stack", "aria-label": "Recording" });
    this.replies = h("section", { class: "card", "aria-label": "What the systems said" });
    this.side = h("div", { class: "side" });
    this.element = h("div", { class: "stack" }, this.head, h("div", { class: "columns" }, h("div", { class: "stack" }, this.replies, this.sound), this.side));
  }

  rest() { this.stage.rest(); }

  show(set, { item, replies, next, previous }) {
    this.#shown = `${set.id}/${item.n}`;
    const to = (n, text) => (n === null || n === undefined ? h("span", { class: "button", "aria-disabled": "true", hidden: true }, text) : h("a", { class: "button", href: `#browse/${set.id}/${n}` }, text));
    const facts = [item.level, item.task.replace(/^l\d_/, "").replaceAll("_", " "), item.family, item.form === "open" ? "open" : null, item.transform || null].filter(Boolean);
    this.head.replaceChildren(h("div", { class: "row apart" }, h("a", { href: `#browse/${set.id}` }, `All items of ${set.name}`), h("div", { class: "row" }, to(previous, "Previous"), to(next, "Next"))),
      h("section", { class: "card pad stack", "aria-label": "Question" }, h("div", { class: "row" }, facts.map((text) => h("span", { class: "tag" }, text)), item.twin_n === null || item.twin_n === undefined ? null : h("a", { class: "small", href: `#browse/${set.id}/${item.twin_n}` }, "its twin")),
        h("h2", null, item.question), this.#answers(item)));
    this.#showReplies(replies);
    this.sound.replaceChildren(h("div", { class: "row apart" }, h("h2", null, "Recording"), h("code", { class: "small muted" }, item.file_name)), busy("Listening …"));
    this.side.replaceChildren();
    this.#open(set, item);
  }

  #answers(item) {
    const list = item.options.map((text, place) => h("li", { class: `option${LETTERS[place] === item.answer_letter ? " true" : ""}` }, h("span", { class: "letter" }, LETTERS[place]), h("span", null, text), LETTERS[place] === item.answer_letter ? h("span", { class: "unseen" }, "(right)") : null));
    return h("div", { class: "stack tight" }, list.length ? h("ul", { class: "options" }, list) : h("p", { class: "option true" }, item.answer_text), h("p", { class: "small muted" }, item.derivation));
  }

  #showReplies(replies) {
    if (!replies.length) { this.replies.hidden = true; return; }
    this.replies.hidden = false;
    const rows = replies.map((reply) => h("tr", { "data-system": reply.system }, h("th", { scope: "row" }, reply.system, reply.control ? [" ", h("span", { class: "tag" }, reply.control)] : null),
      h("td", null, outcome(reply.outcome), " ", h("span", { class: "small muted" }, reply.outcome)), h("td", null, reply.error || reply.text || "–"), h("td", { class: "small muted" }, (reply.evidence ?? "").split("; ").map((line) => h("div", null, line))), h("td", { class: "figure" }, `${reply.seconds.toFixed(2)} s`)));
    this.replies.replaceChildren(h("div", { class: "scroll replies", tabindex: 0, role: "region", "aria-label": "Replies" }, h("table", null, h("thead", null, h("tr", null, ["System", "Outcome", "Reply", "Evidence", "Time"].map((text, k) => h("th", { scope: "col", class: k === 4 ? "figure" : "" }, text)))), h("tbody", null, rows))));
  }

  async #open(set, item) {
    const shown = this.#shown;
    try {
      const recording = await api.openItem(set.id, item.n);
      if (shown !== this.#shown) return;
      this.sound.lastChild.replaceWith(this.stage.element);
      this.side.replaceChildren(this.talk.element);
      this.talk.show(recording);
      await this.stage.show(recording);
    } catch (error) {
      if (shown === this.#shown) this.sound.lastChild.replaceWith(problem(error));
    }
  }
}
