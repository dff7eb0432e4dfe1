import sys
from pathlib import Path

# The tests of the model, of training and of the benchmark share one model in miniature, tiny_model.py; those of reckoning the questions' generator of scenes.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "questions"))
