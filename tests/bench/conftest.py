import sys
from pathlib import Path

# The model in miniature, tiny_model.py, lies with the tests of the model.
sys.path.insert(0, str(Path(__file__).parent.parent / "model"))
# Tests here share simulated_run.py and small_benchmark.py; worker processes import faulty_systems.py by its name.
sys.path.insert(0, str(Path(__file__).parent))
