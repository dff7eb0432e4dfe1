import sys
from pathlib import Path

# Scenes for questions, scene_drawing.py, lie with the tests of questions.
sys.path.insert(0, str(Path(__file__).parents[2] / "questions"))
