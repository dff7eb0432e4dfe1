// Making elements, without a framework: h("div", { class: "card", onclick }, child, "text").

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (name in { value: 1, checked: 1, disabled: 1, hidden: 1 } && !(element instanceof SVGElement)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element; attributes that are null or false are left out, `onclick` and its like listen, `--name` is a custom property. */
export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

/** Other children in the place of those there are; null and false are left out. */
export const put = (element, ...children) => element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));

/** An SVG element. */
export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

export const $ = (selector, root = document) => root.querySelector(selector);

const ICONS = {
  play: [["path", { class: "solid", d: "M8 5.5v13l11-6.5z" }]],
  pause: [["path", { class: "solid", d: "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" }]],
  ahead: [["path", { d: "M12 20V5M6 11l6-6 6 6" }]],
  sun: [["circle", { cx: 12, cy: 12, r: 4 }], ["path", { d: "M12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.8 1.8M17.2 17.2L19 19M5 19l1.8-1.8M17.2 6.8L19 5" }]],
  moon: [["path", { d: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z" }]],
  undo: [["path", { d: "M4 9h10a6 6 0 0 1 0 12H9M8 5L4 9l4 4" }]],
  redo: [["path", { d: "M20 9H10a6 6 0 0 0 0 12h5M16 5l4 4-4 4" }]],
  plus: [["path", { d: "M12 5v14M5 12h14" }]],
  remove: [["path", { d: "M6 6l12 12M18 6L6 18" }]],
  save: [["path", { d: "M12 4v11M7 11l5 5 5-5M5 20h14" }]],
  open: [["path", { d: "M12 16V4M7 9l5-5 5 5M5 20h14" }]],
  mirror: [["path", { d: "M12 3v18M9 7L3 17h6zM15 7l6 10h-6z" }]],
  turn: [["path", { d: "M4 12a8 8 0 1 1 3 6.2M4 12l-2-3M4 12l3-2.4" }]],
};

/** A small drawing for a button; its meaning must stand beside it or in the button's label. */
export const icon = (name) => s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, ICONS[name].map(([kind, attributes]) => s(kind, attributes)));

/** A text that begins with a capital letter and ends as a sentence; the server's messages begin as those of a command line do. */
export const sentence = (text) => text && `${text[0].toUpperCase()}${text.slice(1)}${/[.!?)]$/.test(text) ? "" : "."}`;

/** Say something to those who listen to the page. */
export function announce(text) {
  const live = $("#live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

let ids = 0;
/** A new id, to tie a label to its field. */
export const newId = (stem) => `${stem}-${++ids}`;

/** A labelled field. */
export function field(label, input) {
  input.id ||= newId("field");
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input);
}

/** Hand a text or a blob to the user as a file. */
export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** An error in words, for the place where its consequence would have stood. */
export const problem = (error) => h("p", { class: "note error", role: "alert" }, h("strong", null, "That did not work. "), error.message);

export const busy = (text) => h("p", { class: "busy", role: "status" }, text);
