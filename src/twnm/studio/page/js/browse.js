// The view Browse: data sets and benchmark runs, filtered and paged by the server, one item at a time to hear and to compare.

import { api } from "./api.js";
import { busy, field, h, problem } from "./dom.js";
import { Item } from "./item.js";
import { outcome } from "./outcome.js";

const FILTERS = { level: "Level", task: "Task", system: "System", outcome: "Outcome", control: "Control" };
const QUIET_MS = 250;
export class BrowseView {
  #set = null; #values = {}; #abort = null; #timer; #visit = 0;

  constructor(root, state) {
    this.root = root;
    this.state = state;
    this.item = new Item();
  }

  rest() { this.item.rest(); }

  /** "#browse", "#browse/SET", "#browse/SET/N". */
  async goTo([id, n]) {
    this.item.rest();
    const visit = ++this.#visit;
    if (id === undefined) return this.#choose();
    try {
      if (this.#set?.id !== id) await this.#load(id);
      if (visit !== this.#visit) return;
      if (n === undefined) this.#showTable();
      else await this.#showItem(Number(n), visit);
    } catch (error) {
      if (visit === this.#visit) this.root.replaceChildren(h("div", { class: "stack" }, problem(error), h("p", null, h("a", { href: "#browse" }, "All sets"))));
    }
  }

  #choose() {
    const sets = this.state.browse;
    const cards = sets.map((set) => h("a", { class: "card", href: `#browse/${set.id}` }, h("strong", null, set.name),
      h("span", { class: "small muted" }, set.problem ?? `${set.kind === "run" ? "benchmark run" : "data set"}${set.items === null ? "" : `, ${set.items.toLocaleString("en")} items`}${set.ready ? "" : ", to be indexed"}`)));
    this.root.replaceChildren(h("div", { class: "stack" }, h("h2", null, "Data sets and benchmark runs"),
      sets.length ? h("div", { class: "sets" }, cards) : h("div", { class: "card empty" }, h("p", null, "This studio was started without data. To look at a data set or at what systems answered:"), h("p", null, h("code", null, "twnm serve --data DIR --run DIR")))));
  }

  async #load(id) {
    const wait = busy("Opening …");
    this.root.replaceChildren(wait);
    this.#set = null;
    this.#set = await api.set(id, (text) => { wait.textContent = text; });
    this.#values = { page: 1 };
    this.#buildTable();
  }

  #buildTable() {
    const set = this.#set;
    const options = {
      level: set.levels, task: set.tasks.map(({ task }) => task), system: set.systems.map(({ name }) => name), outcome: set.systems.length ? set.outcomes : [], control: set.controls.filter(Boolean),
    };
    const filters = Object.entries(FILTERS).filter(([name]) => options[name].length).map(([name, label]) => {
      const select = h("select", { "data-filter": name, onchange: () => this.#filter(name, select.value) }, h("option", { value: "" }, name === "control" ? "none: as it is" : "all"), options[name].map((value) => h("option", { value }, value.replace(/^l\d_/, "").replaceAll("_", " "))));
      return field(label, select);
    });
    const query = h("input", { type: "search", placeholder: "in the question", oninput: () => { clearTimeout(this.#timer); this.#timer = setTimeout(() => this.#filter("query", query.value.trim()), QUIET_MS); } });
    this.rows = h("div", { class: "scroll items", tabindex: 0, role: "region", "aria-label": "Items" });
    this.count = h("span", { class: "small muted", role: "status" });
    this.before = h("button", { type: "button", onclick: () => this.#filter("page", this.#values.page - 1) }, "Previous");
    this.after = h("button", { type: "button", onclick: () => this.#filter("page", this.#values.page + 1) }, "Next");
    this.table = h("div", { class: "stack" }, this.#head(set), h("div", { class: "card" }, h("div", { class: "filters pad" }, filters, field("Words", query)), this.rows, h("div", { class: "pager" }, this.count, h("div", { class: "row" }, this.before, this.after))));
    this.#fetch();
  }

  #head(set) {
    const scores = set.systems.map(({ name, asked, right }) => h("div", null, h("dt", null, name), h("dd", null, asked ? `${((100 * right) / asked).toFixed(1)} %` : "–", h("span", { class: "small muted" }, ` of ${asked.toLocaleString("en")}`))));
    return h("div", { class: "stack" }, h("div", { class: "row apart" }, h("h2", { class: "title" }, set.name), h("a", { href: "#browse" }, "All sets")), scores.length ? h("dl", { class: "scores" }, scores) : null,
      set.damaged_lines ? h("p", { class: "note" }, `${set.damaged_lines} lines of the file could not be read and are left out.`) : null);
  }

  #showTable() { this.root.replaceChildren(this.table); }

  #filter(name, value) {
    this.#values = { ...this.#values, page: 1, [name]: value };
    this.#fetch();
  }

  async #fetch() {
    this.#abort?.abort();
    const { signal } = (this.#abort = new AbortController());
    this.rows.classList.add("stale");
    if (!this.rows.children.length) this.rows.replaceChildren(h("div", { class: "empty" }, busy("Loading …")));
    try {
      const found = await api.items(this.#set.id, this.#values, signal);
      this.#list(found);
    } catch (error) {
      if (error.name !== "AbortError") this.rows.replaceChildren(problem(error));
    }
    if (!signal.aborted) this.rows.classList.remove("stale");
  }

  #list({ page, pages, total, items }) {
    this.#values.page = page;
    const systems = this.#set.systems.map(({ name }) => name).filter((name) => !this.#values.system || name === this.#values.system);
    const heads = [["Level", ""], ["Task", ""], ["Question", ""], ["Answer", ""], ...systems.map((name) => [name, "figure"])];
    const rows = items.map((item) => h("tr", { onclick: (event) => { if (!event.target.closest("a")) location.hash = `#browse/${this.#set.id}/${item.n}`; } },
      h("td", null, item.level), h("td", null, item.task.replace(/^l\d_/, "").replaceAll("_", " ")),
      h("td", { class: "question" }, h("a", { href: `#browse/${this.#set.id}/${item.n}` }, item.question), item.transform ? [" ", h("span", { class: "tag" }, item.transform)] : null),
      h("td", null, item.answer_text), systems.map((name) => h("td", { class: "figure" }, outcome(item.outcomes?.[name])))));
    this.rows.replaceChildren(items.length ? h("table", null, h("thead", null, h("tr", null, heads.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))), h("tbody", null, rows)) : h("p", { class: "empty" }, "No item fits these filters."));
    this.rows.scrollTop = 0;
    this.count.textContent = `${total.toLocaleString("en")} item${total === 1 ? "" : "s"}${pages > 1 ? `, page ${page} of ${pages.toLocaleString("en")}` : ""}`;
    this.before.disabled = page <= 1;
    this.after.disabled = page >= pages;
  }

  async #showItem(n, visit) {
    if (!this.root.contains(this.item.element)) this.root.replaceChildren(busy("Opening …"));
    const found = await api.item(this.#set.id, n);
    if (visit !== this.#visit) return; // another page was opened meanwhile
    this.root.replaceChildren(this.item.element);
    this.item.show(this.#set, found);
    scrollTo({ top: 0 });
  }
}
