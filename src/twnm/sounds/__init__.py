"""Dry sounds: classes, catalogues of clips with their licences and splits, the starter bank, the user's folders, and generated sounds."""
