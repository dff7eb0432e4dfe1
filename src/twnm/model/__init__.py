"""The model: features, spatial encoder with slots, semantic branch, projector, language model, and the whole."""
