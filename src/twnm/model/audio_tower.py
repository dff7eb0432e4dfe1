"""The semantic branch of a large audio language model: its own audio tower hears W, and a beam towards each object.

The tower of Qwen2-Audio and of Qwen2.5-Omni's thinker is that of Whisper: log-mel frames of 10 ms at 16 kHz, two convolutions, a transformer, and the
mean of neighbouring states, 25 vectors a second. Their mean over each second goes to the projector. The spatial encoder keeps YAMNet, with which it
was trained.
"""

from dataclasses import replace
from typing import Any

import soxr
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.model.hear import EXISTS_ABOVE
from twnm.model.language import HEARING_MODELS, LanguageModel
from twnm.model.projector import HeardBatch
from twnm.model.semantic import WaveEncoder, at_one_level

STATES_PER_S = 25
LONGEST_S = 30.0


class AudioTower:
    """The frozen audio tower of an audio language model, as a `twnm.model.semantic.WaveEncoder`.

    Args:
        model: Qwen2AudioForConditionalGeneration or Qwen2_5OmniThinkerForConditionalGeneration; the tower stays a part of it and moves with it.
        extractor: the feature extractor of its processor.
    """

    def __init__(self, model: Any, extractor: Any) -> None:
        self._model, self._extractor = model.base_model, extractor
        self._omni = model.config.model_type != "qwen2_audio"
        config = self._model.audio_tower.config
        self.size = int(config.output_dim if self._omni else config.d_model)

    @torch.no_grad()
    def __call__(self, audio: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch patches size"]:
        """One float32 vector for each second of the first channel, from audio at 24 kHz, where the tower is.

        Raises ValueError for more than 30 s, which the tower does not hear.
        """
        if audio.shape[-1] > LONGEST_S * SAMPLE_RATE_HZ:
            raise ValueError(f"the tower hears {LONGEST_S:g} s at most, got {audio.shape[-1] / SAMPLE_RATE_HZ:.1f} s.")
        wave = at_one_level(audio[:, 0]).numpy(force=True)
        rate_hz = self._extractor.sampling_rate
        waves = soxr.resample(wave.T, SAMPLE_RATE_HZ, rate_hz, quality="HQ").T
        with torch.autocast("cpu", enabled=False):  # the extractor cannot work in half precision
            inputs = self._extractor(
                list(waves), sampling_rate=rate_hz, padding="longest" if self._omni else "max_length", return_attention_mask=True, return_tensors="pt"
            ).to(self._model.device)
        states = (self._omni_states if self._omni else self._qwen2_audio_states)(inputs.input_features, inputs.attention_mask)
        return nn.functional.avg_pool1d(states.float().transpose(1, 2), STATES_PER_S, ceil_mode=True).transpose(1, 2)

    def _omni_states(self, features: Float[Tensor, "batch mels frames"], mask: Int[Tensor, "batch frames"]) -> Float[Tensor, "batch states size"]:
        states: Tensor = self._model.get_audio_features(features, feature_attention_mask=mask).last_hidden_state
        return states.unflatten(0, (len(features), -1))

    def _qwen2_audio_states(self, features: Float[Tensor, "batch mels frames"], mask: Int[Tensor, "batch frames"]) -> Float[Tensor, "batch states size"]:
        """What the whole model would read: the window of 30 s, without what is behind the recording's end."""
        from transformers.masking_utils import create_bidirectional_mask

        tower = self._model.audio_tower
        seen, states = (int(count) for count in tower._get_feat_extract_output_lengths(mask[0].sum()))
        places = features.new_zeros(len(features), (features.shape[-1] - 2) // 2 + 1, 1, dtype=tower.dtype)
        inside = torch.arange(places.shape[1], device=features.device).expand(len(features), -1) < seen
        visible = create_bidirectional_mask(config=tower.config, inputs_embeds=places, attention_mask=inside.long())
        heard: Tensor = tower(features, attention_mask=visible).last_hidden_state
        return heard[:, :states]


def load_tower(language: LanguageModel, name_or_path: str) -> AudioTower:
    """The audio tower of a language model that `load_language_model` gave for the same name.

    Raises InputError when it has none, or when its feature extractor is absent.
    """
    from transformers import AutoFeatureExtractor

    from twnm.model.fetch import resolve_model

    if language.model.config.model_type not in HEARING_MODELS:
        raise InputError(f"the language model {name_or_path!r} has no audio tower; use the semantic branch yamnet, or give Qwen2-Audio or Qwen2.5-Omni")
    try:
        extractor = AutoFeatureExtractor.from_pretrained(resolve_model(name_or_path))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{name_or_path!r} has no feature extractor ({reason}); put its preprocessor_config.json beside the weights") from error
    return AudioTower(language.model, extractor)


def with_tower(tower: WaveEncoder, heard: HeardBatch, sounds: Float[Tensor, "sounds samples"]) -> HeardBatch:
    """What the projector reads of one clip when a tower hears it: its vectors of W in place of the semantic ones, those of the beams behind the embeddings.

    Args:
        sounds: W and a beam towards each existing slot (`twnm.model.hear.sounds_of`); a beam's vector is the mean over the seconds in which the slot is active.
    """
    vectors = tower(sounds[:, None]).to(heard.frames.device)
    exists = heard.exists[0] > EXISTS_ABOVE
    second = torch.arange(vectors.shape[1], device=vectors.device)
    onset, offset = heard.span[0, exists].T[..., None]
    within = ((second + 1 > onset) & (second < offset)).float()[..., None]
    beams = vectors.new_zeros(len(exists), vectors.shape[-1])
    beams[exists] = (within * vectors[1:]).sum(dim=1) / within.sum(dim=1).clamp_min(1.0)
    parts = (nn.functional.layer_norm(part, part.shape[-1:]) for part in (heard.embedding, beams[None]))
    return replace(heard, semantic=vectors[:1], embedding=torch.cat(list(parts), dim=-1))
