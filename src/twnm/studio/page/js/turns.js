// Does an answer turn with the sound? What a transform makes of the directions in a text.

import { wrap } from "./angles.js";

const SECTORS = { front: 0, "front-left": 45, left: 90, "back-left": 135, back: 180, "back-right": -135, right: -90, "front-right": -45 };
const WORDS = /\b(front|back)[- ](left|right)\b|\b(front|back|left|right)\b|(-?\d+(?:\.\d+)?)\s?(?:°|degrees\b)(\s*(?:to the )?(?:left|right)\b)?/gi;

/** "mirror", "yaw 90" or "mirror yaw 90" as a function of an azimuth. */
export function transformOf(name) {
  const [, mirrored, yaw] = /^(mirror)? ?(?:yaw (-?\d+(?:\.\d+)?))?$/.exec(name);
  return (azimuth) => wrap((mirrored ? -azimuth : azimuth) + Number(yaw ?? 0));
}

/** The directions that a text names, degrees, in its order. */
export function directionsIn(text) {
  return [...text.matchAll(WORDS)].map(([, side, flank, word, number, hand]) => {
    if (number !== undefined) return /right/i.test(hand ?? "") ? -Number(number) : Number(number);
    return SECTORS[(side ? `${side}-${flank}` : word).toLowerCase()];
  });
}

/** "turned", "not turned", or null when the first answer names no one direction. */
export function verdict(before, after, name, tolerance = 23) {
  const [from, to] = [directionsIn(before), directionsIn(after)];
  if (from.length !== 1) return null;
  const wanted = transformOf(name)(from[0]);
  return to.length === 1 && Math.abs(wrap(to[0] - wanted)) <= tolerance ? "turned" : "not turned";
}
