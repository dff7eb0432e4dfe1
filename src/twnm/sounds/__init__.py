"""Dry sounds: classes, catalogues of clips with their licences and splits, the fetched banks, the user's folders, and generated sounds."""
