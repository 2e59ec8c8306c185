"""The scenes: calibrated cameras that frame the person, white light, and rooms that never stand in the way."""

from __future__ import annotations

import numpy as np
import pytest

from turncoat.kernels.errors import ConfigError
from turncoat.training.data.studio import raycast, scene
from turncoat.training.data.studio.rooms import ROOMS

MARGIN = 0.03
SIZE = 128


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    return {name: scene.render_backgrounds(name, 32) for name in scene.SCENES}


def ring(radius: float, heights: tuple[float, ...]) -> np.ndarray:
    """Points (N, 3) on circles around the centre, mm."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return np.array([[radius * np.sin(a), y, radius * np.cos(a)] for a in angle for y in heights])


def seen(name: str, size: int, samples: int = 1) -> list[tuple[scene.Camera, raycast.Solids, raycast.Seen]]:
    solids = raycast.Solids(ROOMS[name]())
    result = []
    for camera in scene.cameras(name, size):
        args = (camera.rotation, camera.position, scene.FOCAL, size, samples, scene.LIGHTS, scene.AMBIENT, scene.BOUNCE)
        result.append((camera, solids, raycast.cast(solids, *args)))
    return result


def test_there_are_five_scenes_and_one_is_unseen() -> None:
    assert len(set(scene.SCENES)) == 5
    assert scene.UNSEEN_SCENE in scene.SCENES
    assert set(ROOMS) == set(scene.SCENES)


@pytest.mark.parametrize("name", scene.SCENES)
def test_cameras_are_rotations_with_y_down_and_look_at_the_centre(name: str) -> None:
    for camera in scene.cameras(name, SIZE):
        np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(camera.rotation) == pytest.approx(1.0)
        assert camera.rotation[1, 1] < -0.9, "the camera's y axis points down"
        assert abs(camera.rotation[0, 1]) < 1e-12, "no roll"
        assert camera.project(np.array([0.0, 1165.0, 0.0])) == pytest.approx((SIZE / 2, SIZE / 2), abs=2)
        sideways = np.array([[-100.0], [100.0]]) * camera.rotation[0]
        left, right = camera.project(camera.position + 1000 * camera.rotation[2] + sideways)
        assert left[0] < SIZE / 2 < right[0]


@pytest.mark.parametrize("name", scene.SCENES)
def test_four_cameras_stand_roughly_a_quarter_turn_apart(name: str) -> None:
    places = np.array([c.position for c in scene.cameras(name, SIZE)])
    azimuth = np.sort(np.rad2deg(np.arctan2(places[:, 0], places[:, 2])) % 360)
    gaps = np.diff(np.append(azimuth, azimuth[0] + 360))
    assert len(places) == 4 and gaps.min() > 70 and gaps.max() < 110
    assert places[:, 1].min() >= 900 and places[:, 1].max() <= 1900
    assert np.abs(np.hypot(places[:, 0], places[:, 2]) - 4600).max() <= 100


@pytest.mark.parametrize("name", scene.SCENES)
def test_the_whole_person_stays_inside_the_frame(name: str) -> None:
    tall = np.concatenate([ring(r, (0.0, 2350.0)) for r in (0.0, 250.0, 500.0)])
    wide = ring(1000.0, (200.0, 1000.0, 1900.0))
    for camera in scene.cameras(name, SIZE):
        for points in (tall, wide):
            pixels = camera.project(points) / SIZE
            assert pixels.min() >= MARGIN and pixels.max() <= 1 - MARGIN


@pytest.mark.parametrize("name", scene.SCENES)
def test_nothing_stands_near_the_person_or_before_them(name: str) -> None:
    """Whatever is not flat on the floor lies at least 1.2 m beyond the centre, as seen by every camera."""
    for camera, solids, hits in seen(name, 96):
        half, turn, centre = solids.half[hits.solid], solids.rotation[hits.solid], solids.centre[hits.solid]
        assert np.all(np.abs(hits.point) <= half * (1 + 1e-3) + 1), "points lie on their solids"
        world = np.einsum("nij,nj->ni", turn, hits.point) + centre
        raised = world[:, 1] > 12
        distance = (camera.rotation @ np.zeros(3) + camera.translation)[2]
        assert hits.depth[raised].min() > distance + 1200
        assert np.hypot(world[raised, 0], world[raised, 2]).min() > 1200


@pytest.mark.parametrize("name", scene.SCENES)
def test_pixels_show_what_projects_onto_them(name: str) -> None:
    size = 48
    for camera, solids, hits in seen(name, size):
        turn, centre = solids.rotation[hits.solid], solids.centre[hits.solid]
        pixels = camera.project(np.einsum("nij,nj->ni", turn, hits.point) + centre)
        column, row = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
        np.testing.assert_allclose(pixels, np.stack([column.ravel(), row.ravel()], axis=1), atol=0.01)


def test_light_is_white_and_never_exceeds_one() -> None:
    assert scene.LIGHTS.shape == (2, 4)
    np.testing.assert_allclose(np.linalg.norm(scene.LIGHTS[:, :3], axis=1), 1.0)
    assert scene.AMBIENT + scene.LIGHTS[:, 3].sum() <= 1.0


def test_pictures_are_mid_bright_and_moderate(pictures: dict[str, np.ndarray]) -> None:
    for name, picture in pictures.items():
        assert picture.shape == (4, 32, 32, 3) and picture.dtype == np.float32
        assert picture.min() >= 0 and picture.max() <= 1
        for view in picture:
            assert 0.35 <= view.mean() <= 0.7, name
            assert 0.05 <= view.mean(axis=2).std() <= 0.28, name
            assert (view.max(axis=2) - view.min(axis=2)).mean() <= 0.3, name


def test_scenes_and_views_differ(pictures: dict[str, np.ndarray]) -> None:
    views = np.concatenate(list(pictures.values())).reshape(20, -1)
    apart = np.abs(views[:, None] - views[None]).mean(axis=2)
    assert apart[~np.eye(20, dtype=bool)].min() > 0.04


def test_the_same_bytes_every_time(pictures: dict[str, np.ndarray]) -> None:
    assert scene.render_backgrounds("kitchen", 32).tobytes() == pictures["kitchen"].tobytes()


def test_a_larger_picture_shows_the_same_room(pictures: dict[str, np.ndarray]) -> None:
    large = scene.render_backgrounds("gym", 64).reshape(4, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(large - pictures["gym"]).mean() < 0.02


def test_an_unknown_scene_or_size_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"no scene named 'beach'; expected one of loft, gym"):
        scene.cameras("beach", 128)
    with pytest.raises(ConfigError, match="frame size of 0"):
        scene.render_backgrounds("loft", 0)
