"""The vocabulary of classes."""

from twnm.sounds.classes import ALIASES, CLASSES, canonical, spoken


def test_spoken_forms_are_distinct_phrases_without_underscore_or_article() -> None:
    phrases = [spoken(label) for label in CLASSES]
    assert len(CLASSES) == 36
    assert len(set(phrases)) == 36
    assert not [phrase for phrase in phrases if "_" in phrase or phrase.split()[0] in {"a", "an", "the"}]
    assert list(CLASSES) == sorted(CLASSES)


def test_aliases_name_known_classes() -> None:
    assert set(ALIASES.values()) <= set(CLASSES)
    assert not set(ALIASES) & set(CLASSES)


def test_folder_names_of_other_collections_are_understood() -> None:
    assert canonical("Church_bells") == "bell"
    assert canonical("chirping birds") == "bird_song"
    assert canonical("vacuum_cleaner") == "vacuum_cleaner"
    assert spoken("vacuum_cleaner") == "vacuum cleaner"
