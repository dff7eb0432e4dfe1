import sys
from pathlib import Path

# The tests of this folder share one generator of scenes, scene_drawing.py.
sys.path.insert(0, str(Path(__file__).parent))
