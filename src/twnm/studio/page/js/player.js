// Plays first-order Ambisonics (AmbiX: W Y Z X, SN3D) over headphones through Omnitone, as the head turns.

const RATE_HZ = 24_000;
const LOUDEST = 0.5;
const MOST_GAIN = 30;
const SMOOTHING_S = 0.02;

/** Four channels as an AudioBuffer at 24 kHz; works before any sound may be played. */
export async function decode(bytes) {
  const buffer = await new OfflineAudioContext(4, 1, RATE_HZ).decodeAudioData(bytes);
  if (buffer.numberOfChannels !== 4) throw new Error(`The sound has ${buffer.numberOfChannels} channels; four are needed.`);
  return buffer;
}

/** A graph from `input` (four channels) to the ears, with `turn()` to follow the head; also used offline by the tests. */
export async function binaural(context, head) {
  const { default: Omnitone } = await import("../vendor/omnitone.min.esm.js");
  const renderer = Omnitone.createFOARenderer(context, { channelMap: [0, 1, 2, 3] });
  await renderer.initialize();
  // The rotator's own gains, because its setter changes them at once, which clicks.
  const parameters = Array.from({ length: 9 }, (_, place) => renderer._foaRotator[`_m${place}`].gain);
  const turn = () => head.matrix.forEach((value, place) => parameters[place].setTargetAtTime(value, context.currentTime, SMOOTHING_S));
  renderer.setRotationMatrix3(head.matrix);
  return { input: renderer.input, output: renderer.output, turn };
}

export class Player extends EventTarget {
  #context; #graph; #gain; #source; #buffer; #startedAt = 0; #from = 0;
  playing = false;
  loop = false;

  constructor(head) {
    super();
    this.head = head;
    head.addEventListener("turn", () => this.#graph?.turn());
  }

  get duration() { return this.#buffer?.duration ?? 0; }
  get ready() { return Boolean(this.#buffer); }

  /** Take a decoded recording, or none; what played before stops. */
  load(buffer) {
    this.stop();
    this.#buffer = buffer;
    this.#from = 0;
    this.#changed();
  }

  get time() {
    if (!this.playing) return this.#from;
    const since = this.#context.currentTime - (this.#context.outputLatency || 0) - this.#startedAt + this.#from;
    return this.loop ? Math.max(0, since) % this.duration : Math.min(Math.max(0, since), this.duration);
  }

  async play() {
    if (!this.#buffer || this.playing) return;
    this.#context ??= new AudioContext();
    this.#graph ??= await this.#build();
    await this.#context.resume();
    if (this.#from >= this.duration - 0.02) this.#from = 0;
    this.#gain.gain.value = comfortable(this.#buffer);
    this.#start();
  }

  async #build() {
    const graph = await binaural(this.#context, this.head);
    this.#gain = this.#context.createGain();
    graph.output.connect(this.#gain).connect(this.#context.destination);
    return graph;
  }

  #start() {
    this.#source = new AudioBufferSourceNode(this.#context, { buffer: this.#buffer, loop: this.loop });
    this.#source.connect(this.#graph.input);
    this.#source.onended = ({ target }) => { if (target === this.#source) { this.#from = this.duration; this.#end(); } };
    this.#startedAt = this.#context.currentTime;
    this.#source.start(0, this.#from);
    this.playing = true;
    this.#changed();
  }

  #end() {
    this.playing = false;
    this.#source = null;
    this.#changed();
  }

  pause() {
    if (!this.playing) return;
    this.#from = this.time;
    const source = this.#source;
    this.#end();
    source.stop();
  }

  stop() {
    this.pause();
    this.#from = 0;
    this.#changed();
  }

  seek(time) {
    const again = this.playing;
    this.pause();
    this.#from = Math.min(Math.max(0, time), this.duration);
    if (again) this.#start();
    this.#changed();
  }

  setLoop(loop) {
    const [again, time] = [this.playing, this.time];
    this.pause();
    this.loop = loop;
    this.#from = time;
    if (again) this.#start();
    this.#changed();
  }

  #changed() { this.dispatchEvent(new Event("change")); }
}

/** The gain that brings the loudest sample of W to half of full scale: quiet recordings are made audible, none clips. */
function comfortable(buffer) {
  const peak = buffer.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return Math.min(MOST_GAIN, LOUDEST / Math.max(peak, 1e-6));
}
