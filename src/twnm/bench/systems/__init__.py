"""The systems that the benchmark measures, one small file each; `load(name)` makes one.

Names: see `NAMES`. A name may carry an argument after a colon: `twnm:FOLDER`, `hf:MODEL`, `openai:URL#MODEL`.
"""
