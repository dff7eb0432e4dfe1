// Where the listener looks: one angle that the map, the binaural sound and the reader share. Yaw is positive to the left.

import { wrap } from "./angles.js";

export class Head extends EventTarget {
  yaw = 0;

  turnTo(yaw) {
    const next = wrap(yaw);
    if (next === this.yaw) return;
    this.yaw = next;
    this.dispatchEvent(new Event("turn"));
  }

  turnBy(angle) { this.turnTo(this.yaw + angle); }

  /** The words for a screen reader and the readout. */
  get words() {
    const whole = Math.round(this.yaw);
    return whole === 0 ? "Head straight ahead" : `Head ${Math.abs(whole)}° to the ${whole > 0 ? "left" : "right"}`;
  }

  /** What Omnitone's rotator needs (column-major; x right, y up, z backwards): a head turned to the left moves every sound to the right. */
  get matrix() {
    const turn = (this.yaw * Math.PI) / 180;
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
    return [cos, 0, sin, 0, 1, 0, -sin, 0, cos];
  }
}
