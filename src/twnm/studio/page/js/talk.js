// Questions about a recording and their answers. The history stays while the page is open; evidence chips light the map.

import { announce, busy, h, newId } from "./dom.js";
import { api } from "./api.js";

const FALLBACK = ["What sounds can be heard?", "How many sounds are there?"];

export class Talk {
  #recording = null; #pending = false;
  history = [];

  constructor(stage) {
    this.stage = stage;
    this.question = h("textarea", { rows: 2, maxlength: 500, placeholder: "Where do you hear the dog?", onkeydown: (event) => this.#enter(event) });
    this.question.id = newId("question");
    this.options = h("textarea", { rows: 4, placeholder: "one answer per line: 2 to 8" });
    this.options.id = newId("options");
    this.choices = h("details", { class: "choices" }, h("summary", null, "Answers to choose from"), h("label", { for: this.options.id, class: "unseen" }, "Answers to choose from, one per line"), this.options);
    this.send = h("button", { class: "primary", type: "submit" }, "Ask");
    this.suggestions = h("div", { class: "chips", "aria-label": "Suggested questions", role: "group" });
    this.log = h("ol", { class: "answers", "aria-label": "Answers, newest first" });
    this.form = h("form", { class: "stack asking", onsubmit: (event) => { event.preventDefault(); this.ask(); } },
      h("div", { class: "field" }, h("label", { for: this.question.id }, "Question"), this.question), this.choices, h("div", { class: "row apart" }, h("span", { class: "small muted" }, h("kbd", null, "Enter"), " asks"), this.send));
    this.element = h("section", { class: "card pad talk stack", "aria-label": "Questions" }, h("h2", null, "Ask about it"), this.form, this.suggestions, this.log);
    this.#showLog();
    stage.element.addEventListener("light", ({ detail }) => this.#press(detail));
  }

  show(recording) {
    this.#recording = recording;
    const names = [...new Set(recording.objects.map((object) => object.spoken))];
    const made = [...names.slice(0, 2).map((name) => `Where do you hear the ${name}?`), ...(names.length > 1 ? [`Which is closer to you, the ${names[0]} or the ${names[1]}?`] : [])];
    const suggested = recording.questions?.length ? recording.questions : [...made, ...FALLBACK].map((question) => ({ question, options: [] }));
    this.suggestions.replaceChildren(...suggested.slice(0, 5).map((one) => h("button", { class: "chip", type: "button", onclick: () => this.#take(one) }, one.question)));
    if (!this.history.some((entry) => entry.recording === recording.id)) this.history.forEach((entry) => { entry.past = true; });
    this.#showLog();
  }

  #take({ question, options }) {
    this.question.value = question;
    this.options.value = (options ?? []).join("\n");
    this.choices.open = Boolean(options?.length);
    this.ask();
  }

  #enter(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.ask();
  }

  /** Ask what stands in the form. */
  async ask() {
    const question = this.question.value.trim();
    const options = this.choices.open ? this.options.value.split("\n").map((line) => line.trim()).filter(Boolean) : [];
    if (!question) return this.question.focus();
    return this.put(question, options);
  }

  /** Ask a question about the recording that is shown; gives the entry with its answer or error. */
  async put(question, options = [], mark = "") {
    if (!this.#recording || this.#pending) return null;
    const entry = { recording: this.#recording.id, name: this.#recording.name, question, options, mark };
    this.history.unshift(entry);
    this.#wait(true);
    try {
      entry.reply = await api.ask(entry.recording, question, options, (name, data) => {
        entry.progress = name === "queued" && data.ahead ? `Waiting for ${data.ahead} other${data.ahead === 1 ? "" : "s"} …` : name === "heard" ? "Thinking …" : "Listening …";
        if (name === "heard") entry.heard = data.evidence;
        this.#showLog();
      });
      announce(`Answer: ${entry.reply.answer}`);
    } catch (error) {
      entry.error = error.code === "not_found" ? "The server no longer holds this recording. Load it again." : error.message;
    }
    this.#wait(false);
    if (entry.reply && this.#recording?.id === entry.recording) this.stage.light(used(entry.reply));
    return entry;
  }

  #wait(pending) {
    this.#pending = pending;
    this.send.disabled = pending;
    for (const chip of this.suggestions.children) chip.disabled = pending;
    this.#showLog();
  }

  #showLog() {
    this.log.replaceChildren(...this.history.map((entry) => this.#entry(entry)));
    if (!this.history.length) this.log.replaceChildren(h("li", { class: "empty" }, "Answers appear here, with the sounds they rest on."));
  }

  #entry(entry) {
    const here = this.#recording?.id === entry.recording;
    const where = entry.mark || (here ? "" : entry.name);
    return h("li", { class: here ? "entry" : "entry past" }, h("p", { class: "asked" }, entry.question, where ? h("span", { class: "tag" }, where) : null), this.#answer(entry, here));
  }

  #answer(entry, here) {
    if (entry.error) return h("p", { class: "note error" }, entry.error);
    if (!entry.reply) return [busy(entry.progress ?? "Listening …"), this.#evidence(entry.heard ?? [], here)];
    const { answer, letter, why, evidence, seconds, start_s: start, grounded } = entry.reply;
    const from = entry.reply.heard_s && this.#recording?.duration_s > entry.reply.heard_s && here ? `, from ${start.toFixed(1)} s on` : "";
    return [
      h("p", { class: "answer" }, entry.options.length && letter ? [h("span", { class: "letter" }, letter), " "] : null, answer || "(no words)"),
      this.#evidence(evidence, here),
      why ? h("p", { class: "why small muted" }, why) : null,
      h("p", { class: "small muted" }, `${seconds.toFixed(1)} s${from}${grounded ? "" : ", not supported by what was heard"}`),
    ];
  }

  #evidence(evidence, here) {
    return evidence.length ? h("div", { class: "chips", role: "group", "aria-label": "Evidence" }, evidence.map((one) => this.#chip(one, here))) : null;
  }

  #chip(one, here) {
    const object = here ? this.stage.objects?.find(({ id }) => id === one.object_id) : null;
    const text = `${one.label} ${one.sector} ${one.distance_m.toFixed(1)} m`;
    const dot = h("span", { class: "dot", "--colour": object?.colour });
    if (!object) return h("span", { class: "chip still" }, dot, text);
    const toggle = () => this.stage.light(this.stage.lit.includes(object.id) ? this.stage.lit.filter((id) => id !== object.id) : [...this.stage.lit, object.id]);
    return h("button", { class: "chip", type: "button", "data-object": object.id, "aria-pressed": String(this.stage.lit.includes(object.id)), onclick: toggle }, dot, text);
  }

  #press(ids) {
    for (const chip of this.log.querySelectorAll("[data-object]")) chip.setAttribute("aria-pressed", String(ids.includes(chip.dataset.object)));
  }
}

/** The objects that an answer rests on: the evidence that it names. */
const used = (reply) => reply.evidence.filter((one) => one.used).map((one) => one.object_id).filter(Boolean);
