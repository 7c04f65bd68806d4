import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.report import files


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://example.org/a.png">',
        '<link rel="stylesheet" href="style.css">',
        '<script src="//example.org/a.js"></script>',
        "<script>1</script>",
        '<style>@import "a.css";</style>',
        "<style>p { background: url(https://example.org/a.png) }</style>",
        '<p style="background:URL(a.png)">x</p>',
        '<svg><image xlink:href="a.png"/></svg>',
        '<svg><use href="a.svg#b"/></svg>',
        '<iframe srcdoc="x"></iframe>',
        '<p onclick="x()">x</p>',
        '<meta http-equiv="refresh" content="0;url=https://example.org">',
        '<form action="https://example.org">',
        '<img srcset="a.png 2x">',
        '<a href="https://example.org" ping="https://example.org">x</a>',
        '<object data="a.pdf"></object>',
    ],
)
def test_what_loads_or_runs_is_found(html):
    assert files.loads(f"<!DOCTYPE html><html><body>{html}</body></html>")


def test_what_stays_on_the_page_is_not():
    head = '<link rel="icon" href="data:,"><style>p { color: red }</style>'
    assert files.loads(head + '<a href="#top">up</a><p>url(https://example.org) @import</p>') == []


def test_shown_figures_are_read_back():
    assert files.page_figures('<p><data id="customers" value="1301">1 301</data></p>') == {"customers": 1301}


def test_write_replaces_in_one_piece(tmp_path):
    path = tmp_path / "reports" / "2026-10.html"
    for text in ("старый", "новый"):
        files.write(text, path)
        assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["2026-10.html"]


def test_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(BadInputError, match="the report cannot be written"):
        files.write("x", tmp_path / "reports" / "2026-10.html")
