"""The page is made of the results: who leads, what it refuses to leave unsaid, and that it is current."""

import pytest

from bench import page, plots, tables
from bench.results import FOLDER, Results, Row, ratio, spread


def made(subject, median, *, work="lookup", better="less", times=None, **parameters):
    return Row(work, "look up", parameters, "us", better, subject, "1", median, median, median, 3, ratio=times)


def results(*rows, reasons=()):
    subjects = [{"name": row.subject, "version": "1", "setup": "as it is"} for row in rows]
    return Results("python", "tiny", {"cpu": "a cpu", "cpus": 2}, subjects, [], list(rows), list(reasons))


def test_spread_is_the_middle_eight_tenths():
    assert spread(range(11)) == (5, 1, 9, 11)
    assert spread([3.0]) == (3.0, 3.0, 3.0, 1)


def test_ratio_is_of_the_same_rounds():
    assert ratio([2, 30, 4], [1, 10, 1]) == 3
    assert ratio([2, 30], [1, 10, 1]) == 2.5
    assert ratio([], [1]) is None


def test_who_leads_goes_by_the_ratio_of_the_rounds():
    ours = made("corestate", 2.0, times=1.0)
    assert tables.ahead(ours, made("peer", 1.9, times=1.1))
    assert not tables.ahead(ours, made("peer", 2.1, times=0.9))
    assert tables.ahead(ours, made("peer", 3.0))
    assert not tables.ahead(ours, made("peer", 3.0, better="more"))
    assert tables.ahead(ours, made("peer", 1.9, times=0.98))  # level


def test_a_table_too_wide_is_one_for_each_kind_of_parameters():
    rows = [made("corestate", 2.0, threads=n) for n in (1, 2, 4)] + [
        made("corestate", 2.0, processes=n) for n in (1, 2, 4)
    ]
    heads = [line for line in tables.shown(rows) if line.startswith("| | ")]
    assert heads == ["| | 1 thread | 2 threads | 4 threads |", "| | 1 process | 2 processes | 4 processes |"]


def test_a_row_that_somebody_else_leads_must_say_why():
    rows = [made("corestate", 2.0, agents=10), made("peer", 1.0, agents=10), made("slow", 9.0, agents=10)]
    assert tables.unexplained(results(*rows)) == ["lookup 10 agents: peer ahead"]
    said = {"work": "lookup", "parameters": {}, "text": "It keeps a copy."}
    assert not tables.unexplained(results(*rows, reasons=[said]))
    text = page.page({"python": results(*rows, reasons=[said])}, [])
    assert "Ahead of corestate: peer." in text
    assert "It keeps a copy." in text
    elsewhere = {"work": "lookup", "parameters": {"agents": 1000}, "text": "It keeps a copy."}
    assert tables.unexplained(results(*rows, reasons=[elsewhere]))


def test_natures_floors_are_not_peers():
    assert not tables.behind([made("corestate", 2.0), made("floor", 1.0)])


def test_a_column_for_each_size_and_corestate_first():
    rows = [made(name, value, agents=n) for n in (10, 1000) for name, value in (("peer", 1.0 * n), ("corestate", 2.0))]
    head, _, first, second = tables.table(rows)
    assert head == "| | 10 agents | 1,000 agents |"
    assert first.startswith("| **corestate** | 2 us (2 us to 2 us) |")
    assert second == "| peer | 10 us (10 us to 10 us) | 1 ms (1 ms to 1 ms) |"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(0.5, "ns", "0.5 ns"), (1250, "ns", "1.25 us"), (123456, "/s", "123,000/s"), (60, "bytes", "60 bytes")],
)
def test_amounts(value, unit, shown):
    assert tables.amount(value, unit) == shown


def test_results_come_back_as_they_were_kept(tmp_path):
    kept = results(made("corestate", 2.0, agents=10), made("peer", 1.0, times=0.5, agents=10))
    assert Results.load(kept.save(tmp_path)) == kept


def test_a_file_of_another_shape_is_refused(tmp_path):
    file = tmp_path / "native.json"
    file.write_text('{"suite": "native", "rows": [{"work": "lookup"}]}')
    with pytest.raises(ValueError, match=r"native\.json: expected results"):
        Results.load(file)


def test_the_expected_order_goes_through_the_last_point():
    plot = plots.Plot("p", "lookup", "Look up", "agents", "log n")
    line = plots.expected(plot, [(14, 1.0), (254, 2.0)])
    assert line == [(14, pytest.approx(1.0)), (254, pytest.approx(2.0))]


def test_plots_are_the_same_bytes_each_time(tmp_path):
    pytest.importorskip("matplotlib", reason="`make venv-bench` installs it")
    rows = [made(name, value, agents=n) for n in (10, 1000) for name, value in (("peer", 1.0 * n), ("corestate", 2.0))]
    for folder in ("a", "b"):
        assert [one.name for one in plots.draw(rows, tmp_path / folder)] == ["lookup"]
    first, second = ((tmp_path / folder / "lookup.svg").read_bytes() for folder in ("a", "b"))
    assert first == second
    assert b"expected: O(1)" in first


def test_the_page_and_the_readme_are_of_the_results_in_the_tree():
    found = page.load(FOLDER)
    drawn = [plot for plot in plots.PLOTS if (plots.FOLDER / f"{plot.name}.svg").exists()]
    assert page.PAGE.read_text(encoding="utf-8") == page.page(found, drawn), "run `make bench BENCH_PARTS=page`"
    assert page.block(found) in (page.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_results_in_the_tree_say_why_wherever_a_python_peer_leads():
    assert not tables.unexplained(page.load(FOLDER)["python"])
