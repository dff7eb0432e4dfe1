// What happens when: waveform, spectrogram and directions over one axis of time, with a playhead that can be moved.

import { h, s } from "./dom.js";
import { signed } from "./angles.js";
import { spectrogram, SPECTRUM_BINS } from "./spectrum.js";

const [WAVE, SPECTRUM, DIRECTIONS] = [54, 96, 190];
const [LOWEST_HZ, HIGHEST_HZ] = [60, 12_000];
const RANGE_DB = 72;
const STEPS_S = [0.5, 1, 2, 5, 10, 20, 30, 60, 120];
const RAMPS = {
  light: [[255, 255, 255], [203, 222, 236], [110, 164, 205], [30, 92, 143], [10, 34, 60]],
  dark: [[21, 24, 27], [22, 52, 74], [38, 108, 150], [120, 196, 240], [252, 244, 214]],
};

export class Timeline {
  #duration = 1; #objects = []; #lit = new Set(); #buffer = null; #spectrum = null; #time = 0;

  constructor(head, { onseek }) {
    this.head = head;
    head.addEventListener("turn", () => this.#drawGaze());
    this.onseek = onseek;
    this.wave = h("canvas", { class: "wave", height: WAVE, "aria-hidden": "true" });
    this.spectrum = h("canvas", { class: "spectrum", "aria-hidden": "true" });
    this.directions = s("svg", { class: "directions", height: DIRECTIONS + 22, role: "img", "aria-label": "Azimuth over time" });
    this.playhead = h("div", { class: "playhead" });
    this.area = h("div", { class: "tracks", role: "slider", tabindex: 0, "aria-label": "Position in the recording", "aria-valuemin": 0, "aria-valuenow": 0 }, this.wave, this.spectrum, this.directions, this.playhead);
    this.element = h("div", { class: "timeline" }, captions(), this.area);
    this.area.addEventListener("keydown", (event) => this.#key(event));
    this.area.addEventListener("pointerdown", (event) => this.#drag(event));
    new ResizeObserver(() => this.draw()).observe(this.area);
    addEventListener("themechange", () => this.draw());
  }

  show({ duration, objects, buffer }) {
    this.#duration = duration;
    this.#objects = objects;
    if (buffer !== this.#buffer) this.#spectrum = null;
    this.#buffer = buffer;
    this.area.setAttribute("aria-valuemax", duration.toFixed(1));
    this.draw();
    this.setTime(0);
  }

  light(ids) {
    this.#lit = new Set(ids);
    this.#drawDirections(this.area.clientWidth);
  }

  setTime(time) {
    this.#time = time;
    this.playhead.style.transform = `translateX(${(time / this.#duration) * this.area.clientWidth}px)`;
    this.area.setAttribute("aria-valuenow", time.toFixed(1));
    this.area.setAttribute("aria-valuetext", `${time.toFixed(1)} of ${this.#duration.toFixed(1)} seconds`);
  }

  draw() {
    const width = this.area.clientWidth;
    if (!width) return;
    this.#drawWave(width);
    this.#drawSpectrum(width);
    this.#drawDirections(width);
    this.setTime(this.#time);
  }

  #drawWave(width) {
    const scale = devicePixelRatio;
    Object.assign(this.wave, { width: width * scale, height: WAVE * scale });
    const paint = this.wave.getContext("2d");
    if (!this.#buffer) return;
    const samples = this.#buffer.getChannelData(0);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-6);
    paint.fillStyle = getComputedStyle(this.wave).color;
    for (let x = 0; x < this.wave.width; x++) {
      const [first, last] = [x, x + 1].map((edge) => Math.floor((edge / this.wave.width) * samples.length));
      let [low, high] = [0, 0];
      for (let n = first; n < last; n++) { low = Math.min(low, samples[n]); high = Math.max(high, samples[n]); }
      const middle = this.wave.height / 2;
      paint.fillRect(x, middle - (high / peak) * middle * 0.94, 1, Math.max(1, ((high - low) / peak) * middle * 0.94));
    }
  }

  #drawSpectrum(width) {
    const columns = Math.min(900, Math.round(width));
    Object.assign(this.spectrum, { width: columns, height: SPECTRUM });
    if (!this.#buffer) return;
    if (this.#spectrum?.columns !== columns) this.#spectrum = { columns, power: spectrogram(this.#buffer.getChannelData(0), columns) };
    const { power } = this.#spectrum;
    const top = power.reduce((most, value) => Math.max(most, value), -120);
    const picture = new ImageData(columns, SPECTRUM);
    const ramp = RAMPS[document.documentElement.dataset.theme] ?? RAMPS.light;
    for (let y = 0; y < SPECTRUM; y++) {
      const frequency = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (1 - (y + 0.5) / SPECTRUM);
      const bin = Math.min(SPECTRUM_BINS - 1, frequency / (this.#buffer.sampleRate / 1024));
      const [low, part] = [Math.floor(bin), bin % 1];
      for (let x = 0; x < columns; x++) {
        const here = power[x * SPECTRUM_BINS + low] * (1 - part) + power[x * SPECTRUM_BINS + Math.min(low + 1, SPECTRUM_BINS - 1)] * part;
        picture.data.set([...shade(ramp, 1 + (here - top) / RANGE_DB), 255], 4 * (y * columns + x));
      }
    }
    this.spectrum.getContext("2d").putImageData(picture, 0, 0);
  }

  #drawDirections(width) {
    if (!width) return;
    const [x, y] = [(time) => (time / this.#duration) * width, (azimuth) => ((180 - azimuth) / 360) * DIRECTIONS];
    this.directions.setAttribute("viewBox", `0 0 ${width} ${DIRECTIONS + 22}`);
    const lines = [180, 90, 0, -90, -180].map((azimuth) => s("path", { class: azimuth ? "grid" : "grid zero", d: `M0 ${y(azimuth)}H${width}` }));
    const step = STEPS_S.find((one) => this.#duration / one <= width / 55) ?? 300;
    const ticks = Array.from({ length: Math.floor(this.#duration / step + 1e-6) + 1 }, (_, k) => {
      const anchor = k === 0 ? "start" : x(k * step) > width - 12 ? "end" : "middle";
      return s("g", null, s("path", { class: "grid", d: `M${x(k * step)} 0V${DIRECTIONS}` }), s("text", { class: "time", x: x(k * step), y: DIRECTIONS + 16, "text-anchor": anchor }, `${+(k * step).toFixed(1)} s`));
    });
    const ordered = [...this.#objects].sort((a, b) => b.id.startsWith("t") - a.id.startsWith("t"));
    this.gaze = s("path", { class: "gaze" });
    this.#drawGaze();
    this.directions.replaceChildren(...lines, ...ticks, this.gaze, ...ordered.map((object) => this.#track(object, x, y)));
  }

  /** Where the head looks, once it does not look ahead. */
  #drawGaze() {
    const top = ((180 - this.head.yaw) / 360) * DIRECTIONS;
    this.gaze?.setAttribute("d", this.head.yaw ? `M0 ${top}H${this.area.clientWidth}` : "");
  }

  #track(object, x, y) {
    const azimuths = object.azimuths_deg?.length ? object.azimuths_deg : [object.azimuth_deg, object.azimuth_deg];
    const step = object.azimuths_deg?.length ? 0.1 : object.offset_s - object.onset_s;
    const points = azimuths.map((azimuth, frame) => [x(Math.min(this.#duration, object.onset_s + (object.azimuths_deg?.length ? frame + 0.5 : frame) * step)), y(azimuth)]);
    if (points.length) { points.unshift([x(object.onset_s), points[0][1]]); points.push([x(Math.min(object.offset_s, this.#duration)), points.at(-1)[1]]); }
    const d = points.map(([left, top], k) => `${k && Math.abs(top - points[k - 1][1]) < DIRECTIONS / 2 ? "L" : "M"}${left.toFixed(1)} ${top.toFixed(1)}`).join("");
    const kind = object.id.startsWith("t") ? "true" : "heard";
    return s("path", { class: `track ${kind}${this.#lit.has(object.id) ? " lit" : ""}`, "--colour": object.colour, d });
  }

  #key(event) {
    const steps = { ArrowLeft: -0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowUp: 0.1, PageDown: -1, PageUp: 1 };
    if (event.key in steps) this.onseek(this.#time + steps[event.key]);
    else if (event.key === "Home") this.onseek(0);
    else return;
    event.preventDefault();
  }

  #drag(event) {
    if (event.button !== 0) return;
    const to = (move) => {
      const box = this.area.getBoundingClientRect();
      this.onseek((Math.min(Math.max(0, move.clientX - box.x), box.width) / box.width) * this.#duration);
    };
    to(event);
    const abort = new AbortController();
    addEventListener("pointermove", to, { signal: abort.signal });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => abort.abort(), { signal: abort.signal });
  }
}

function captions() {
  const mark = (azimuth, name) => h("span", { class: "mark", "--part": (180 - azimuth) / 360 }, `${name} ${signed(azimuth)}`);
  return h("div", { class: "captions", "aria-hidden": "true" }, h("div", { class: "of-wave" }, "W"), h("div", { class: "of-spectrum" }, h("span", null, "12 kHz"), h("span", null, "1 kHz"), h("span", null, "60 Hz")),
    h("div", { class: "of-directions" }, mark(180, "back"), mark(90, "left"), mark(0, "front"), mark(-90, "right"), mark(-180, "back")));
}

function shade(ramp, level) {
  const place = Math.min(Math.max(level, 0), 0.9999) * (ramp.length - 1);
  const [low, part] = [Math.floor(place), place % 1];
  return ramp[low].map((value, k) => value * (1 - part) + ramp[low + 1][k] * part);
}
