"""Training: one file per stage (encoder, instruct), each a function of a recipe, resumable, logged as JSON lines."""
