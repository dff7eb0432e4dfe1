"""What others publish, read as recordings, scenes and questions: one file per corpus, `shared` writes any of them as a folder that the benchmark reads."""
