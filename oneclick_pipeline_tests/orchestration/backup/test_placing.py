"""How a restored home is put in place."""

from __future__ import annotations

from oneclick_pipeline.orchestration.backup.manifest import HOME, MANIFEST
from oneclick_pipeline.orchestration.backup.placing import Place


def test_once_a_home_is_in_its_place_nothing_of_the_backup_is_beside_it(tmp_path):
    place = Place.of(tmp_path / "home")
    with place.held():
        (place.stage / HOME).mkdir(parents=True)
        for name in (f"{HOME}/settings.yaml", MANIFEST, "dump"):
            (place.stage / name).write_text("a customer")
        place.settle()
        assert list(place.stage.iterdir()) == []  # a kill from here on leaves no more than that
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["home"]
    assert [path.name for path in place.home.iterdir()] == ["settings.yaml"]
