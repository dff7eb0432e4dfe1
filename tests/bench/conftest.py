import sys
from pathlib import Path

# The model in miniature, tiny_model.py, lies with the tests of the model.
sys.path.insert(0, str(Path(__file__).parent.parent / "model"))
