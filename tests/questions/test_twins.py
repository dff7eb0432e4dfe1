"""Twins: the scene of a twin is the one whose recording the transformed audio is, and its questions differ in the answer alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_drawing import drawn_scene, event, scene_of, seeded_scenes

from twnm.ambisonics import encode, intensity_direction, unit_vector
from twnm.errors import InputError
from twnm.questions import ask_all, ask_twins
from twnm.questions.facts import facts_of
from twnm.questions.twins import Transform, candidates, twin_of
from twnm.scene import Event, Listener, Pose, Room, Scene, Waypoint

transforms = st.builds(Transform, st.sampled_from([0.0, 90.0, 180.0, 270.0, 35.0, -12.5]), st.booleans(), st.booleans())


def shoebox(**changes) -> Scene:
    """A room whose six walls differ, a listener who walks and turns in it, a source that moves and one that faces the listener's left."""
    walls = tuple((0.1 * number,) * 7 for number in range(1, 7))
    room = Room(size_m=(6.0, 4.0, 3.0), absorption=walls, materials=tuple("abcdef"), rt60_s=(0.4,) * 7)
    poses = (Pose(time_s=0.0, position_m=(2.0, 1.0, 1.5), yaw_deg=30.0), Pose(time_s=5.0, position_m=(2.5, 1.2, 1.6), yaw_deg=200.0))
    moving = Event(
        label="dog",
        clip="d.wav",
        onset_s=0.5,
        offset_s=4.0,
        path=(Waypoint(time_s=0.0, position_m=(5.0, 3.0, 0.5)), Waypoint(time_s=4.0, position_m=(1.0, 3.5, 2.0))),
    )
    facing = Event(
        label="bell", clip="b.wav", onset_s=1.0, offset_s=4.0, directivity="cardioid", facing_deg=70.0, path=(Waypoint(time_s=0.0, position_m=(4.0, 0.5, 1.0)),)
    )
    listener = Listener(position_m=poses[0].position_m, yaw_deg=30.0, path=poses)
    return Scene(scene_id="room", room=room, listener=listener, events=(moving, facing)).model_copy(update=changes)


@given(st.integers(0, 10_000), transforms)
def test_the_twin_scene_has_each_sound_where_the_transformed_audio_has_it(seed, transform):
    scene = drawn_scene(np.random.default_rng(seed))
    noise = np.random.default_rng(0).standard_normal(64)
    twin = twin_of(scene, transform)
    for before, after in zip(scene.events, twin.events, strict=True):
        azimuth_deg, elevation_deg, distance_m = scene.place(before)
        heard = intensity_direction(transform.audio(encode(noise, azimuth_deg, elevation_deg)))
        placed = twin.place(after)
        np.testing.assert_allclose(unit_vector(*heard[:2]), unit_vector(*placed[:2]), atol=1e-4)
        assert placed[2] == pytest.approx(distance_m)
        assert np.cos(np.radians(transform.azimuth(azimuth_deg) - placed[0])) == pytest.approx(1.0)


@given(transforms)
def test_a_walking_and_turning_listener_hears_a_moving_source_on_the_transformed_track(transform):
    scene = shoebox()
    twin = twin_of(scene, transform)
    for before, after in zip(scene.tracks(), twin.tracks(), strict=True):
        where = unit_vector(before.azimuth_deg, before.elevation_deg) * [1, -1 if transform.mirrored else 1, -1 if transform.flipped else 1]
        turn = np.radians(transform.yaw_deg)
        turned = where @ np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        np.testing.assert_allclose(unit_vector(after.azimuth_deg, after.elevation_deg), turned, atol=1e-9)
        np.testing.assert_allclose(after.distance_m, before.distance_m)


@given(transforms)
def test_a_twin_is_a_valid_scene_and_each_source_keeps_its_way_to_every_wall(transform):
    scene = shoebox()
    twin = twin_of(scene, transform)
    assert Scene.from_json(twin.to_json()) == twin

    def ways(one: Scene) -> list[tuple[float, ...]]:
        """For every wall, by its material: its absorption and how far the sources and the listener are from it."""
        places = [point.position_m for sound in one.events for point in sound.path] + [one.listener.position_m]
        far = [[place[axis] if low else one.room.size_m[axis] - place[axis] for place in places] for axis in range(3) for low in (True, False)]
        return sorted((name, wall[0], *np.round(far, 9)) for name, wall, far in zip(one.room.materials, one.room.absorption, far, strict=True))

    assert ways(twin) == ways(scene)


def test_a_mirror_turns_where_a_source_faces():
    scene = shoebox()
    twin = twin_of(scene, Transform(mirrored=True))
    assert twin.events[1].facing_deg == -70.0
    assert twin_of(scene, Transform(90.0)).events == scene.events


def test_a_ground_cannot_be_above_the_listener():
    bell = Event(label="bell", clip="b.wav", onset_s=0.0, offset_s=1.0, path=(Waypoint(time_s=0.0, position_m=(2.0, 0.0, 1.0)),))
    outside = Scene(scene_id="out", room=Room(kind="ground", absorption=((0.3,) * 7,)), listener=Listener(position_m=(0.0, 0.0, 1.5)), events=(bell,))
    with pytest.raises(InputError, match="cannot be above the listener"):
        twin_of(outside, Transform(flipped=True))
    assert not any(transform.flipped for transform in candidates(facts_of(outside), np.random.default_rng(0)))


@given(transforms)
def test_the_name_of_a_transform_gives_it_back(transform):
    assert Transform.of(str(transform)) == transform


@pytest.mark.parametrize("name", ["turn", "yaw", "yaw left", "mirror mirror", "yaw 90 mirror", "MIRROR"])
def test_an_unknown_transform_is_refused_with_the_allowed_ones(name):
    with pytest.raises(InputError, match="allowed: mirror, flip, yaw DEGREES"):
        Transform.of(name)


@pytest.fixture(scope="module", params=["choice", "open"])
def pairs(request):
    return [pair for number, scene in enumerate(seeded_scenes(10)) for pair in ask_twins(scene, np.random.default_rng(number), form=request.param)]


def test_a_twin_has_the_same_words_and_options_and_another_answer(pairs):
    twins = [(item, twin) for item, twin in pairs if twin is not None]
    assert len(twins) > 25
    for item, twin in twins:
        assert (twin.question, twin.options, twin.task, twin.scene_id, twin.file_name) == (
            item.question,
            item.options,
            item.task,
            item.scene_id,
            item.file_name,
        )
        assert twin.answer_text != item.answer_text
        assert item.form == "open" or twin.answer_letter != item.answer_letter
        assert (item.twin, twin.twin) == (twin.sample_id, item.sample_id)
        assert item.transform == "" and twin.transform
        assert twin.derivation.endswith(twin.answer_text)


def test_an_item_without_a_twin_says_so(pairs):
    assert all((item.twin is None) == (twin is None) for item, twin in pairs)


def test_all_directions_have_twins_and_what_no_turn_changes_has_none(pairs):
    by_task = {task: [twin for item, twin in pairs if item.task == task] for task in {item.task for item, _ in pairs}}
    for task in ("l1_estimate_azimuth", "l3_rotate_listener", "l3_plan_action", "l3_move_listener"):
        assert None not in by_task[task] or task == "l3_move_listener"
        assert any(by_task[task])
    for task in ("l1_estimate_distance", "l1_locate_in_time", "l1_describe_room", "l2_angular_separation", "l2_compare_object_distances"):
        assert not any(by_task.get(task, []))


def test_the_twin_answers_what_is_heard_after_the_transform():
    for number, scene in enumerate(seeded_scenes(8)):
        for item, twin in ask_twins(scene, np.random.default_rng(number)):
            if twin is not None and item.task == "l1_estimate_azimuth":
                (before,), (after,) = item.heard, twin.heard
                off_deg = Transform.of(twin.transform).azimuth(before.azimuth_deg) - after.azimuth_deg
                assert abs((off_deg + 180) % 360 - 180) <= 5.0
                assert twin.answer_text in twin.evidence[0]


def test_items_are_those_that_are_asked_without_twins():
    (scene,) = seeded_scenes(1, seed=3)
    asked = [item.model_copy(update={"twin": None}) for item, _ in ask_twins(scene, np.random.default_rng(5))]
    assert asked == ask_all(scene, np.random.default_rng(5))


def test_two_sounds_that_exchange_their_places_are_each_others_twin():
    scene = scene_of(event("dog", 10.0, 1.0), event("bell", 140.0, 3.0))
    found = {item.task: twin for item, twin in ask_twins(scene, np.random.default_rng(0))}
    binding = found["l2_bind_identity_location_distance"]
    assert binding.transform == "mirror yaw 150"
    assert binding.answer_text in ("dog back-left 1.0 m, bell front 3.0 m", "bell front 3.0 m, dog back-left 1.0 m")
