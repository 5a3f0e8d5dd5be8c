"""The Python face: few names, none of which is a room, and none imported before it is used."""

from __future__ import annotations

import pytest

import tunesmith
from trees import SOURCE

MOST_NAMES = 20


def test_the_face_has_at_most_twenty_names():
    assert 0 < len(tunesmith.__all__) <= MOST_NAMES
    assert len(set(tunesmith.__all__)) == len(tunesmith.__all__)


def test_no_name_is_both_a_room_and_a_function():
    rooms = {path.stem for path in SOURCE.iterdir()}
    assert not rooms & set(tunesmith.__all__)


@pytest.mark.parametrize("name", tunesmith.__all__)
def test_every_public_name_is_there(name):
    public = vars(tunesmith).get(name, None) or tunesmith.__getattr__(name)
    assert callable(public)
    assert public.__doc__


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'tain'"):
        _ = tunesmith.tain


def test_dir_shows_the_public_names():
    assert set(tunesmith.__all__) <= set(dir(tunesmith))
