// Angles in degrees: azimuth 0 in front, +90 at the left; elevation positive upwards. On the page front is up and left is left.

const SECTORS = ["front", "front-left", "left", "back-left", "back", "back-right", "right", "front-right"];

/** Into (-180, 180]. */
export const wrap = (angle) => 180 - ((((180 - angle) % 360) + 360) % 360);

/** The sector of eight that an azimuth lies in. */
export const sector = (azimuth) => SECTORS[Math.floor((((azimuth % 360) + 382.5) % 360) / 45) % 8];

/** A point on the page, y downwards, for a direction and a radius. */
export const onPage = (azimuth, radius) => {
  const turn = (azimuth * Math.PI) / 180;
  return [-radius * Math.sin(turn), -radius * Math.cos(turn)];
};

/** The azimuth of a point on the page, the inverse of `onPage`. */
export const azimuthOf = (x, y) => (Math.atan2(-x, -y) * 180) / Math.PI;

/** "45° left", "front" and so on, rounded to whole degrees. */
export function spoken(azimuth) {
  const whole = Math.round(wrap(azimuth));
  if (whole === 0) return "0°, front";
  if (Math.abs(whole) === 180) return "180°, back";
  return `${Math.abs(whole)}° ${whole > 0 ? "left" : "right"}`;
}

/** "+45°", "−90°": signed, with a true minus. */
export const signed = (angle) => `${Math.round(angle) > 0 ? "+" : Math.round(angle) < 0 ? "−" : ""}${Math.abs(Math.round(angle))}°`;

/** The spread of directions around their mean, degrees (circular standard deviation), at most 90. */
export function spread(azimuths) {
  if (azimuths.length < 2) return 0;
  const [x, y] = azimuths.reduce(([a, b], one) => [a + Math.cos((one * Math.PI) / 180), b + Math.sin((one * Math.PI) / 180)], [0, 0]);
  const length = Math.min(1, Math.hypot(x, y) / azimuths.length);
  return Math.min(90, (Math.sqrt(-2 * Math.log(Math.max(length, 1e-6))) * 180) / Math.PI);
}
