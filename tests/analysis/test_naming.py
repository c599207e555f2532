"""An id that says where in a list an option stood is no name, and is not compared."""

from pathlib import Path

import pytest

from decisionlog import Option, Runtime
from decisionlog.analysis import Analysis


def recorded(path: Path, ids: tuple[str, str], *, anew: bool) -> Analysis:
    """Sixty runs; those that choose the first option fail, whatever it stands for."""
    with Runtime(path) as runtime:
        for number in range(60):
            menu = [
                Option(each, f"Try {number} {place}" if anew else f"Way {each}")
                for place, each in enumerate(ids)
            ]
            with runtime.run("goal") as run:
                chosen = ids[number % 2]
                with runtime.decision("which way", menu, chosen) as decision:
                    if number % 2 == 0:
                        decision.fail("it broke")
                if number % 2 == 0:
                    run.fail()
    return Analysis(path)


@pytest.mark.parametrize("ids", [("candidate-0", "candidate-1"), ("A", "B"), ("1", "2")])
def test_positions(tmp_path: Path, ids: tuple[str, str]) -> None:
    with recorded(tmp_path / "anew", ids, anew=True) as analysis:
        [place] = analysis.options().places
        assert place.positions
        assert "an id is a place in a list here" in str(place)
        assert [option.regret for option in place.options] == [None, None]
        assert analysis.divergence("goal").divergence is None
        assert {each.type for each in analysis.suggest("goal")} <= {"fix_cause"}
    with recorded(tmp_path / "named", ids, anew=False) as analysis:
        [place] = analysis.options().places
        assert not place.positions
        assert [o.option_id for o in place.options if o.regret] == [ids[0]]


def test_names_are_names_however_their_options_are_described(tmp_path: Path) -> None:
    with recorded(tmp_path, ("read", "write"), anew=True) as analysis:
        [place] = analysis.options().places
        assert not place.positions
        assert [o.option_id for o in place.options if o.regret] == ["read"]
