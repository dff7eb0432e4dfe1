"""Make src/twnm/data/kemar_foa.safetensors: filters from first-order Ambisonics to the two ears of a KEMAR head.

Input is the SOFA file of the Debian package libmysofa1, the MIT KEMAR responses (710 directions, 44.1 kHz):

    apt-get download libmysofa1 && dpkg -x libmysofa1_*.deb kemar
    pip install h5py
    python tools/make_hrtf.py kemar/usr/share/libmysofa/default.sofa src/twnm/data/kemar_foa.safetensors

For each frequency the four filter gains h of an ear minimise sum_d w_d |Y_d h - T_d|², where Y_d are the SN3D gains of direction d, w_d its share of the
sphere and T_d the target. Below `CUTOFF_HZ` the target is the measured response (least squares). Above, first-order harmonics cannot follow the phase of
a head any more, and the ear needs only the level there: the target is the measured magnitude with the phase that the filters of the bin below give
(magnitude least squares: Schörkhuber, Zaunschirm and Höldrich, "Binaural rendering of Ambisonic signals via magnitude least squares", DAGA 2018).
Before that, the responses are divided by their diffuse-field average, which removes the measuring loudspeaker, and after it the filters are equalised
to a flat diffuse field again, because truncation to the first order takes treble away (Ben-Hur et al., JASA 141, 2017).

Departure from the papers: the measuring grid ends at elevation -40°; the cap below has no weight, because four unknowns need no closed grid.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Complex, Float
from safetensors.numpy import save
from scipy.signal import resample_poly

from twnm.ambisonics import gains
from twnm.files import atomic_write, sha256_file

RATE_HZ = 24_000
FFT_SIZE = 1024
TAPS = 256
CUTOFF_HZ = 1000.0  # circumference over wavelength is about 1.6 here; fitted cutoffs of 500 to 2000 Hz trade ITD against level, 1 kHz keeps both
MAX_BOOST_DB = 24.0
DELAY_TAPS = 32  # of a sound from the front, so that the part of a fit that comes before the direct sound is kept
METADATA = {
    "description": "filters (ear, AmbiX channel W Y Z X, tap) at 24000 Hz; ear 0 is the left one; made by tools/make_hrtf.py",
    "source": "MIT KEMAR head responses, normal pinna, Bill Gardner and Keith Martin, MIT Media Lab, 1994 (SOFA file of the Debian package libmysofa1)",
    "licence": "Copyright 1994 by the MIT Media Laboratory. It is provided free with no restrictions on use, provided the authors are cited "
    "when the data is used in any research or commercial application.",
}


def main() -> None:
    """Read the SOFA file, fit, write."""
    parser = argparse.ArgumentParser(description="Make the first-order binaural filters from a SOFA file.")
    parser.add_argument("sofa", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    azimuth_deg, elevation_deg, responses = read_sofa(arguments.sofa)
    # safetensors writes the memory as it lies: a transposed array would be scrambled without an error.
    filters = np.ascontiguousarray(fit(azimuth_deg, elevation_deg, responses), np.float32)
    with atomic_write(arguments.output) as temporary:
        temporary.write_bytes(save({"filters": filters}, metadata=METADATA | {"source_sha256": sha256_file(arguments.sofa)}))


def read_sofa(path: Path) -> tuple[Float[np.ndarray, " dirs"], Float[np.ndarray, " dirs"], Float[np.ndarray, "dirs 2 samples"]]:
    """Azimuth and elevation in degrees and the responses (left, right) at 24 kHz."""
    with h5py.File(path) as file:
        azimuth_deg, elevation_deg = file["SourcePosition"][:, 0], file["SourcePosition"][:, 1]
        measured = file["Data.IR"][:]
        rate_hz = int(file["Data.SamplingRate"][0])
    divisor = np.gcd(RATE_HZ, rate_hz)
    return azimuth_deg, elevation_deg, resample_poly(measured, RATE_HZ // divisor, rate_hz // divisor, axis=-1) * rate_hz / RATE_HZ


def fit(
    azimuth_deg: Float[np.ndarray, " dirs"], elevation_deg: Float[np.ndarray, " dirs"], responses: Float[np.ndarray, "dirs 2 samples"]
) -> Float[np.ndarray, "2 4 taps"]:
    """Least squares below the cutoff, magnitude least squares above, flat in the diffuse field."""
    spectra = centre(np.fft.rfft(responses, FFT_SIZE))
    weights = area_weights(elevation_deg)
    spectra = spectra * equaliser(spectra, weights)
    harmonics = gains(azimuth_deg, elevation_deg).T
    solve = np.linalg.solve(harmonics.T @ (weights[:, None] * harmonics), (weights[:, None] * harmonics).T)
    fitted = np.empty((4, 2, FFT_SIZE // 2 + 1), complex)
    for k, frequency_hz in enumerate(np.fft.rfftfreq(FFT_SIZE, 1 / RATE_HZ)):
        target = spectra[..., k]
        if frequency_hz > CUTOFF_HZ:
            target = np.abs(target) * np.exp(1j * np.angle(harmonics @ fitted[..., k - 1]))
        fitted[..., k] = solve @ target
    fitted *= equaliser(np.einsum("dc,cek->dek", harmonics, fitted), weights)
    taps = np.roll(np.fft.irfft(fitted, FFT_SIZE), DELAY_TAPS, axis=-1)[..., :TAPS].transpose(1, 0, 2)
    fade = np.ones(TAPS)
    fade[:8], fade[-64:] = np.sin(np.linspace(0, np.pi / 2, 8)) ** 2, np.cos(np.linspace(0, np.pi / 2, 64)) ** 2
    return taps * fade


def centre(spectra: Complex[np.ndarray, "dirs 2 bins"]) -> Complex[np.ndarray, "dirs 2 bins"]:
    """Take away the travel time that all responses share: the phase that the bin below gives is then a good guess."""
    envelope = np.abs(np.fft.irfft(spectra, FFT_SIZE))
    delay = np.median(np.argmax(envelope > 0.5 * envelope.max(axis=-1, keepdims=True), axis=-1))
    return spectra * np.exp(2j * np.pi * np.arange(spectra.shape[-1]) * delay / FFT_SIZE)


def area_weights(elevation_deg: Float[np.ndarray, " dirs"]) -> Float[np.ndarray, " dirs"]:
    """Share of the sphere of each direction: the grid has rings every 10° of elevation."""
    rings, ring, count = np.unique(np.round(elevation_deg), return_inverse=True, return_counts=True)
    upper, lower = (np.sin(np.radians(np.clip(rings + half, -90, 90))) for half in (5.0, -5.0))
    weights = ((upper - lower) / count)[ring]
    return weights / weights.sum()


def equaliser(spectra: Complex[np.ndarray, "dirs 2 bins"], weights: Float[np.ndarray, " dirs"]) -> Complex[np.ndarray, " bins"]:
    """A minimum-phase filter, common to both ears, that makes the diffuse-field average of third-octave bands 0 dB."""
    energy = np.einsum("d,dek->k", weights, np.abs(spectra) ** 2) / 2
    bins = np.arange(len(energy))
    smooth = np.array([energy[np.abs(bins - k) <= max(1, 0.115 * k)].mean() for k in bins])
    level_db = np.minimum(-10 * np.log10(smooth), MAX_BOOST_DB - 10 * np.log10(smooth.max()))
    # Minimum phase from the folded cepstrum of the log magnitude (Oppenheim and Schafer).
    cepstrum = np.fft.irfft(level_db / 20 * np.log(10))
    fold = np.zeros_like(cepstrum)
    fold[0], fold[len(fold) // 2], fold[1 : len(fold) // 2] = 1, 1, 2
    return np.exp(np.fft.rfft(cepstrum * fold))


if __name__ == "__main__":
    main()
