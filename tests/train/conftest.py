import sys
from pathlib import Path

# The model in miniature, tiny_model.py, lies with the tests of the model; what several processes run, crew_run.py, lies here.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "model")]
