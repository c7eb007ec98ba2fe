"""The command line: ``whobuys VERB``. Every verb parses, calls one function and prints; what is heavy is loaded by the verb that needs it."""

from typing import Annotated

import typer

from whobuys import (
    __version__,
    answer_verbs,
    audience_verbs,
    demo,
    export_verbs,
    folder_verbs,
    model_verbs,
    plan_verbs,
    report_verbs,
    training_verbs,
    weekly_verbs,
)
from whobuys.terminal import Verbs

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"whobuys {__version__}")
        raise typer.Exit


@app.callback()
def whobuys(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from; understood anywhere in the line.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """I have these products; which of my customers will buy them?"""


for verb in (
    demo.demo,
    folder_verbs.init,
    folder_verbs.import_,
    training_verbs.train,
    training_verbs.evaluate,
    training_verbs.tune,
    answer_verbs.score,
    answer_verbs.who,
    answer_verbs.replenishment,
    weekly_verbs.weekly,
    folder_verbs.doctor,
    folder_verbs.schema,
):
    app.command(verb.__name__.strip("_"))(verb)
audience_verbs.app.command()(export_verbs.export)
for of_several in plan_verbs.VERBS:
    audience_verbs.app.command()(of_several)
report_verbs.app.command()(export_verbs.tables)
app.add_typer(audience_verbs.app, name="audience")
app.add_typer(model_verbs.app, name="model")
app.add_typer(report_verbs.app, name="report")
