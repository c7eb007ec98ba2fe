"""The ready-made definitions as they are written become a page: python -m serving.ready_made.page > docs/ready-made.md"""

import sys
from collections.abc import Iterable

from serving.ready_made import ReadyMade, definitions

HEAD = """# Ready-made audiences

They come with whobuys, in the [audience language](language.md), and are valid on any shop. `whobuys audience list` names them, `show` prints one,
`preview`, `check` and `build` ask it. Where a shop lacks what one needs (no events, no order lines, no consent, too young), it is empty and says why.
To change one, put what `show` prints into `audiences.yaml`: an audience there is meant before a ready-made one of the same name.

What the words mean (one-time, VIP, slipping away, ...) is on the page about [customers](customers.md); `recoverable_value` and `priority` are in the
[language](language.md).
"""
FILLED = """## Filled in for the shop

These become several audiences, one for each product set or pair that [`whobuys audience suggest`](audiences.md#what-the-shop-suggests) finds in the
shop. `suggested: NAME` stands where the products will be named. `build` makes them all; each is then asked by its own name.
"""


def page() -> str:
    """The page as Markdown."""
    made = definitions().values()
    whole, filled = ([each for each in made if bool(each.filled_in_by) is kind] for kind in (False, True))
    parts = [HEAD, _table(whole), FILLED, _table(filled), "## As they are written\n", _written(made)]
    return "\n".join(parts)


def _table(made: Iterable[ReadyMade]) -> str:
    rows = "".join(f"| `{each.name}` | {each.says} | {each.definition['goal']} |\n" for each in made)
    return f"| name | who | goal |\n|---|---|---|\n{rows}"


def _written(made: Iterable[ReadyMade]) -> str:
    return "```yaml\n" + "---\n".join(each.text for each in made) + "```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
