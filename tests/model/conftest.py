import sys
from pathlib import Path

# The tests of the model, of training and of the benchmark share one model in miniature, tiny_model.py.
sys.path.insert(0, str(Path(__file__).parent))
