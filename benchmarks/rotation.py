"""How well do the slots turn with real recordings (twnm.bench.turning)?

    python benchmarks/rotation.py [ENCODER_FOLDER] fuma:street.wav n3d:hall.ogg

Prints one JSON object; the encoder is the shipped one unless a folder with another comes first.
"""

import json
import sys
from pathlib import Path

from twnm.bench.turning import turn_recordings
from twnm.model.ears import load_ears
from twnm.model.loading import SHIPPED


def main(arguments: list[str]) -> None:
    """Measure each LAYOUT:FILE."""
    folder = Path(arguments.pop(0)) if arguments and Path(arguments[0]).is_dir() else SHIPPED
    print(json.dumps(turn_recordings(load_ears(folder), arguments)))


if __name__ == "__main__":
    main(sys.argv[1:])
