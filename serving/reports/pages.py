"""Sentences, numbers and sections become one page: HTML that needs nothing else, or Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.reports.blocks import Cell, Columns, Curves, Section, Table, Terms

TEMPLATE = "page.html"


@dataclass(frozen=True)
class Page:
    """``title`` of the window, ``heading``, what it is ``about`` in small, the ``verdict`` (sentences, the most important first; ``good`` colours its
    edge green, red, or neither), ``facts`` (numbers and what they mean in a few words) and the sections. ``can_sort``: tables with ``sorted_by`` can
    be sorted by a touch."""

    title: str
    heading: str
    about: str
    verdict: Sequence[str]
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    good: bool | None = None
    can_sort: bool = False

    def html(self) -> str:
        """The whole page. Everything in it is escaped, and nothing is fetched from elsewhere."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        return environment.get_template(TEMPLATE).render(page=self)

    def markdown(self) -> str:
        """The same as Markdown: drawings by their numbers."""
        facts = [f"* **{_plain(number)}** {_plain(words)}" for number, words in self.facts]
        parts = [f"# {_plain(self.heading)}", _plain(self.about), *(f"**{_plain(each)}**" for each in self.verdict[:1])]
        parts += ["\n".join(f"* {_plain(each)}" for each in self.verdict[1:]), "\n".join(facts)]
        parts += [part for section in self.sections for part in _section(section, 2)]
        return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section, depth: int) -> list[str]:
    found = [f"{'#' * depth} {_plain(section.title)}", *(_plain(each) for each in section.said)]
    for block in section.blocks:
        title = [f"{'#' * (depth + 1)} {_plain(block.title)}"] if block.title else []
        if isinstance(block, Table):
            found += [*title, _table(block)]
        elif isinstance(block, Curves):
            found += [*title, _table(block.numbers)] if block.numbers else []
        elif isinstance(block, Terms):
            found += [*title, "\n".join(f"* **{_plain(term)}**: {_plain(meaning)}" for term, meaning in block.terms)]
        elif isinstance(block, Columns):
            found += [*title, "\n".join(f"* {_plain(told)}" for _, _, told, _ in block.bars)]
        else:
            rows = [f"| {_plain(name)} | {' | '.join(f'{each:.0%}' for each in shares)} |" for name, shares in block.rows.items()]
            found += [*title, "\n".join([*_head(["", *block.parts]), *rows])]
    return found + [part for inner in section.panels for part in _section(inner, depth + 1)]


def _table(table: Table) -> str:
    rows = []
    for row in table.rows:
        cells = [_cell(each) for each in row.cells]
        rows.append(f"| {_plain(row.name)}{f' ({_plain(row.meaning)})' if row.meaning else ''} | {' | '.join(cells)} |")
    return "\n".join([*_head([table.first, *table.head]), *rows])


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return _plain(cell)
    return _plain(f"{cell.text} ({cell.below})" if cell.below else cell.text)


def _head(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(_plain(each) for each in names)} |", "|---" * len(names) + "|"]


def _plain(text: str) -> str:
    """Text in which nothing is read as Markdown or HTML, on one line.

    >>> _plain("a | b <c> *d*")
    'a \\\\| b &lt;c> \\\\*d\\\\*'
    """
    line = " ".join(text.split()).replace("\\", "\\\\").replace("<", "&lt;")
    for sign in "|*_`[]#":
        line = line.replace(sign, f"\\{sign}")
    return line
