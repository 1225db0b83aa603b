"""The trace: learning before scoring, and scoring twice, are found."""

from reference_model.evaluation.trace import Event, Kind, violations


def test_score_then_update_is_in_order() -> None:
    """And so are several passes over what was scored."""
    events = [Event(Kind.SCORE, 0, 1, 8), Event(Kind.UPDATE, 0, 1, 8), Event(Kind.UPDATE, 0, 1, 8)]
    assert violations([*events, Event(Kind.SCORE, 0, 9, 12)]) == []


def test_update_before_score_and_a_second_score_are_found() -> None:
    """One token ahead is enough."""
    early, again = Event(Kind.UPDATE, 0, 1, 9), Event(Kind.SCORE, 0, 8, 9)
    assert violations([Event(Kind.SCORE, 0, 1, 8), early, again]) == [early, again]
