"""A bundle becomes its model card: what it is, what it learnt from and looks at, what it is for, what it is not for, and its limits."""

from collections.abc import Iterator
from datetime import date

from models.bundle import Bundle
from models.pairs.importance import importance
from models.pairs.interest import Interest
from serving.reports.blocks import Row, Section, Table, Terms, count, day, percent

FEATURES = 12
FOR = (
    "To choose which customers to write to about products, in what order and how many; to expect how many buyers a group holds; and to see what "
    "customers may bring."
)
NOT_FOR = (
    "Not to decide about one person (credit, prices, access, service): a probability says what happens among many alike. Not to say what a "
    "campaign changes: those who are likely to buy may buy anyway, and only a control group tells. Not for another shop, and not for other days "
    "ahead than stated."
)
PRIVACY = (
    "The model holds no name, e-mail, phone or address, and does not look at gender, birth date, language or where somebody lives. This page "
    "names products, never a customer."
)


def card(bundle: Bundle) -> Section:
    """The model card."""
    return Section("Model card", [], [Terms(list(_terms(bundle))), *_features(bundle)])


def _terms(bundle: Bundle) -> Iterator[tuple[str, str]]:
    facts = bundle.facts
    answers = f"by a simple rule: {bundle.rule}" if bundle.rule else "by boosted trees (LightGBM) and a logistic regression, averaged"
    yield "What it is", f"Bundle {bundle.id}, made by whobuys {facts.get('versions', {}).get('whobuys', '')}. For product sets it answers {answers}."
    yield "What it says", f"The probability that a customer buys at least one of the products within {bundle.horizon} days, and what customers order."
    yield "Learnt from", _learnt(bundle)
    yield "Proved on", f"{_dates(facts.get('backtest_dates', []))}: each by a fit that knew nothing after its date, compared with what came."
    yield "Meant for", FOR
    yield "Not meant for", NOT_FOR
    yield "Limits", " ".join(_limits(bundle))
    yield "Personal data", PRIVACY


def _learnt(bundle: Bundle) -> str:
    customers, dates = count(float(bundle.facts.get("customers", 0))), bundle.facts.get("training_dates", [])
    return (
        f"The shop’s orders before {day(bundle.as_of)}, of {customers} customers (tables {bundle.facts.get('tables')}); windows from {_dates(dates)}."
    )


def _dates(dates: list[str]) -> str:
    return ", ".join(day(date.fromisoformat(each)) for each in sorted(dates)) or "no date yet"


def _limits(bundle: Bundle) -> Iterator[str]:
    yield "It knows orders and what the shop imported beside them, not stock, prices to come, advertising, weather or competitors."
    yield "What nobody bought yet is told by its category, brand and words alone."
    yield "Customers who never ordered have no probability for products."
    if bundle.as_of and len(bundle.facts.get("backtest_dates", [])) < 3:
        yield "It was proved on fewer than three dates, so other months may look otherwise."
    if missing := bundle.facts.get("missing"):
        yield f"Missing: {missing}."


def _features(bundle: Bundle) -> list[Table]:
    if not isinstance(bundle.pair_model, Interest):
        return []
    found = importance(bundle.pair_model).head(FEATURES)
    rows = [Row(str(row["feature"]), [percent(float(row["share"]))], str(row["meaning"])) for row in found.to_dict("records")]
    return [Table("what is known before the date", ["share of what the trees gain"], rows, "What it looks at most")]
