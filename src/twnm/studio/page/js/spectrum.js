// The spectrogram of one channel: a Hann window of 1024 samples, decibels below the loudest bin.

const SIZE = 1024;
const BINS = SIZE / 2;
const COS = Float32Array.from({ length: BINS }, (_, k) => Math.cos((2 * Math.PI * k) / SIZE));
const SIN = Float32Array.from({ length: BINS }, (_, k) => -Math.sin((2 * Math.PI * k) / SIZE));
const WINDOW = Float32Array.from({ length: SIZE }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE));
const REVERSED = Uint16Array.from({ length: SIZE }, (_, n) => {
  let out = 0;
  for (let bit = 0; bit < 10; bit++) out |= ((n >> bit) & 1) << (9 - bit);
  return out;
});

/** In place, radix 2. */
function transform(real, imaginary) {
  for (let half = 1; half < SIZE; half *= 2) {
    const step = BINS / half;
    for (let start = 0; start < SIZE; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const [a, b] = [start + k, start + k + half];
        const [c, d] = [COS[k * step], SIN[k * step]];
        const re = real[b] * c - imaginary[b] * d;
        const im = real[b] * d + imaginary[b] * c;
        real[b] = real[a] - re; imaginary[b] = imaginary[a] - im;
        real[a] += re; imaginary[a] += im;
      }
    }
  }
}

/** `columns` spectra spread evenly over the samples: power in decibels, row after row of 512 bins. */
export function spectrogram(samples, columns) {
  const out = new Float32Array(columns * BINS);
  const [real, imaginary] = [new Float32Array(SIZE), new Float32Array(SIZE)];
  for (let column = 0; column < columns; column++) {
    const first = Math.round(((column + 0.5) / columns) * samples.length - SIZE / 2);
    for (let n = 0; n < SIZE; n++) {
      real[REVERSED[n]] = (samples[first + n] ?? 0) * WINDOW[n];
    }
    imaginary.fill(0);
    transform(real, imaginary);
    for (let k = 0; k < BINS; k++) {
      out[column * BINS + k] = 10 * Math.log10(real[k] * real[k] + imaginary[k] * imaginary[k] + 1e-12);
    }
  }
  return out;
}

export const SPECTRUM_BINS = BINS;
