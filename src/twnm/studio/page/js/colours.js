// The colours of objects: the server numbers them by its own palette; the page shows the same hues, legible on light and on dark.

let palette = [];

export const setPalette = (colours) => { palette = colours.map((colour) => colour.toLowerCase()); };

export const colourOf = (number) => `var(--object-${number % 8})`;

/** The object with its colour as the style sheet knows it. */
export function drawn(object) {
  const place = palette.indexOf(object.colour?.toLowerCase());
  return place < 0 || place > 7 ? object : { ...object, colour: colourOf(place) };
}
