"""Published weights in the classes of transformers: the part of a model that writes text, and no weight left random."""

from typing import Any

import torch
from transformers import PreTrainedModel

from twnm.errors import InputError


def writing_config(config: Any) -> Any:
    """The configuration of the part that writes text: of an omni model its thinker, since its talker only speaks; else the given one."""
    return getattr(config, "thinker_config", config)


def load_complete(auto: Any, name: str, config: Any, dtype: torch.dtype | str) -> PreTrainedModel:
    """The weights of a hub name or folder in the class that `auto` (of transformers) has for the configuration.

    Errors as of transformers, and InputError when weights are missing or misshaped, which transformers would leave random.
    """
    loaded, report = auto.from_pretrained(name, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True)
    if report["missing_keys"] or report["mismatched_keys"]:
        absent = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
        raise InputError(f"{name}: the weights {', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''} are missing or misshaped; download it again")
    return loaded
