"""Links are led to where they can be followed, and nothing else in a page or a text is touched."""

import nbformat
import pytest

import links
from support import links as found


def follow(path):
    """To pages and to one file, as the tool would say."""
    return {"02.ipynb": "02.html", "../helpers/losses.py": "a b/losses.py"}.get(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<a href="02.ipynb">two</a>', '<a href="02.html">two</a>'),
        ('<a class="x" href="02.ipynb#A-head" id="y">two</a>', '<a class="x" href="02.html#A-head" id="y">two</a>'),
        (
            '<a href="../helpers/losses.py"><code>losses</code></a>',
            '<a href="a%20b/losses.py"><code>losses</code></a>',
        ),
        ('(<a href="gone.ipynb#A"><code>three</code>\nand more</a>)', "(<code>three</code>\nand more)"),
        ('<a href="#A-head">¶</a>', '<a href="#A-head">¶</a>'),
        ('<a href="https://a.org/02.ipynb?a=1&amp;b=2">x</a>', '<a href="https://a.org/02.ipynb?a=1&amp;b=2">x</a>'),
        ('<abbr href="gone.py">x</abbr>', '<abbr href="gone.py">x</abbr>'),
        ('&lt;a href="gone.py"&gt;x&lt;/a&gt;', '&lt;a href="gone.py"&gt;x&lt;/a&gt;'),
    ],
)  # fmt: skip
def test_in_a_page(before, after):
    assert links.in_page(before, follow) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("see [two](02.ipynb), [three](03.ipynb)", "see [two](02.html), three"),
        ("[`losses`](../helpers/losses.py)", "[`losses`](a%20b/losses.py)"),
        ('[two](02.ipynb#A "it is next")', '[two](02.html#A "it is next")'),
        ("[x](https://a.org/03.ipynb) [y](#A-head)", "[x](https://a.org/03.ipynb) [y](#A-head)"),
        ("`a[0](b)` and ``c[`0`](d)``", "`a[0](b)` and ``c[`0`](d)``"),
        ("```python\na[0](b)\n\nc[1](d)\n```\n\n[three](03.ipynb)", "```python\na[0](b)\n\nc[1](d)\n```\n\nthree"),
        ("a ` alone\n\n[three](03.ipynb) and ` one", "a ` alone\n\nthree and ` one"),
        ("![picture](03.png)", "![picture](03.png)"),
    ],
)
def test_in_markdown(before, after):
    assert links.in_markdown(before, follow) == after


def test_in_a_notebook_code_is_left_alone():
    text = "[three](03.ipynb)"
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(text), nbformat.v4.new_raw_cell(text)]
    nb = nbformat.v4.new_notebook(cells=cells)
    links.in_notebook(nb, follow)
    assert [cell.source for cell in nb.cells] == ["three", text, text]


@pytest.fixture
def checkout(tmp_path):
    """Two notebooks, a helper, and one page from an earlier day."""
    for name in ("notebooks/01.ipynb", "notebooks/02.ipynb", "helpers/losses.py", "build/html/02.html"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "note.txt").touch()
    return tmp_path / "root"


def test_to_pages(checkout):
    lead = links.to_pages(checkout / "build" / "html", checkout / "notebooks", {"01"}, within=checkout)
    assert lead("01.ipynb") == "01.html", "it is about to be written"
    assert lead("02.ipynb") == "02.html", "it is there"
    assert lead("03.ipynb") is None
    assert lead("../helpers/losses.py") == "../../helpers/losses.py"
    assert lead("../helpers") == "../../helpers"
    assert lead("../helpers/gone.py") is None
    assert lead("../../note.txt") is None, "nobody keeps it with the checkout"


def test_to_pages_that_are_not_in_the_checkout(checkout):
    folder = checkout.parent / "elsewhere"
    lead = links.to_pages(folder, checkout / "notebooks", {"01"}, within=checkout)
    assert lead("01.ipynb") == "01.html"
    assert lead("02.ipynb") is None and lead("../helpers/losses.py") is None


def test_to_notebooks(checkout):
    lead = links.to_notebooks(checkout / "notebooks", {"03"})
    assert [lead(f"0{number}.ipynb") for number in (1, 2, 3, 4)] == ["01.ipynb", "02.ipynb", "03.ipynb", None]
    assert lead("../helpers/losses.py") is None, "what lies outside is not handed out"
    assert lead("../notebooks/03.ipynb") == "../notebooks/03.ipynb"


def test_dead_links_would_be_found(tmp_path):
    """By the tests of editions, which go by this."""
    (tmp_path / "there.html").write_text('<h2 id="Head">Head</h2><a name="old"></a>')
    ways = {
        "there.html": True, "there.html#Head": True, "#Here": True, "https://a.org/gone": True, "#old": False,
        "gone.html": False, "there.html#Gone": False, "#Gone": False, "file:///etc/hostname": False, "": False,
    }  # fmt: skip
    for target, leads in ways.items():
        html, notebook, text = (tmp_path / f"page.{kind}" for kind in ("html", "ipynb", "md"))
        html.write_text(f'<h1 id="Here">Here</h1><p><a class="x" href="{target}">x</a>')
        cells = [nbformat.v4.new_markdown_cell(source) for source in ("# Here", f"[`x`]({target})")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
        text.write_text(f"# Here\n\n[x]({target})\n")
        for path in (html, notebook, text):
            assert found.dead(path) == ([] if leads else [target]), path.name
            found._page.cache_clear()
