"""whobuys.toml in, Config out; what is wrong in it is named with the nearest known key."""

import re
from pathlib import Path

import pytest

from features.config import Config, add_section, load_config, parse_map, template, with_import
from features.errors import DataError, Refused, UsageError
from features.sections import SECTIONS
from models.pairs.interest import InterestConfig
from training.train import recipe_of
from training.tune import settings_of


def written(shop: Path, text: str) -> Path:
    """A shop folder with this whobuys.toml."""
    (shop / "whobuys.toml").write_text(text, encoding="utf-8")
    return shop


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()


def test_the_template_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, template())) == Config()


def test_the_template_says_what_every_key_means() -> None:
    lines = template().splitlines()
    for name, section in SECTIONS.items():
        off = "#" * section.commented
        start = next(number for number, line in enumerate(lines) if line.startswith(f"{off}[{name}]"))
        for key in section.model_fields:
            at = next(number for number in range(start, len(lines)) if lines[number].startswith(f"{off}{key} = "))
            assert lines[at - 1].startswith("# "), f"[{name}] {key} has no comment"


@pytest.mark.parametrize("text", ['engine = "spark"', '[engine]\nname = "spark"'])
def test_an_engine_is_named(tmp_path: Path, text: str) -> None:
    assert load_config(written(tmp_path, text)).engine.name == "spark"


def test_everything_can_be_stated(tmp_path: Path) -> None:
    text = """
    [shop]
    timezone = "Europe/Copenhagen"
    legal_basis = { email = "existing customers, opt-out in every mail" }
    [import]
    files = "exports/orders.csv"
    map = { order_id = "InvoiceNo", category = ["department", "kind"], "products.colour" = "Farbe" }
    [import.map.products]
    price = "UVP"
    [score]
    product_sets = ["category: Tents"]
    """
    with pytest.raises(DataError, match="not valid TOML"):  # an inline table is closed
        load_config(written(tmp_path, text))
    text = text.replace('map = { order_id = "InvoiceNo", category = ["department", "kind"], "products.colour" = "Farbe" }', "")
    text = text.replace(
        "[import.map.products]", '[import.map]\norder_id = "InvoiceNo"\ncategory = ["department", "kind"]\n[import.map.products]\ncolour = "Farbe"'
    )
    config = load_config(written(tmp_path, text))
    assert config.shop.legal_basis == {"email": "existing customers, opt-out in every mail"}
    assert config.imports.files == ("exports/orders.csv",)
    assert config.imports.map == {
        "order_id": ("InvoiceNo",),
        "category": ("department", "kind"),
        "products.colour": ("Farbe",),
        "products.price": ("UVP",),
    }
    assert config.score.product_sets == ("category: Tents",)


@pytest.mark.parametrize(("text", "formats"), [('""', ()), ('"%d/%m/%Y"', ("%d/%m/%Y",)), ('["%d/%m/%Y", "%Y-%m-%d"]', ("%d/%m/%Y", "%Y-%m-%d"))])
def test_no_date_format_one_or_several(tmp_path: Path, text: str, formats: tuple[str, ...]) -> None:
    config = load_config(written(tmp_path, f"[import]\ndate_format = {text}\n"))
    assert config.imports.date_format == with_import(config, date_format=None).imports.date_format == formats


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nhorizont = 3", "whobuys.toml, [train]: 'horizont' is no key, did you mean 'horizon'?"),
        ("[trian]\nhorizon = 3", "whobuys.toml, [trian] is no section, did you mean 'train'?"),
        ("[train]\nhorizon = 0", "whobuys.toml, [train] horizon: should be greater than or equal to 1"),
        ('[train]\nhorizon = "x"', "whobuys.toml, [train] horizon: should be a valid integer"),
        ('[shop]\ntimezone = "Europe/Copenhagn"', "[shop] timezone: is no time zone, got 'Europe/Copenhagn', did you mean 'Europe/Copenhagen'?"),
        ('[import.map]\nordr_id = "x"', "[import] map: 'ordr_id' is no canonical column, did you mean 'order_id'?"),
        (
            '[import.map]\nordr_id = "x"\nprise = "y"',
            "[import] map: 'ordr_id' is no canonical column, did you mean 'order_id'?; 'prise' is no canonical column, did you mean 'price'?",
        ),
        ('[import.map]\n"products.price" = "x"\n[import.map.products]\nprice = "y"', "[import] map: 'products.price' is mapped twice"),
        ('[import.map]\n"events.colour" = "x"', "[import] map: 'events.colour' is no canonical column"),
        ('[import]\ndecimal = "x"', "[import] decimal: should be '', '.' or ','"),
        ('[shop.legal_basis]\nfax = "x"', "[shop] legal_basis.fax"),
        ('[import]\ndate_format = "%m/%Y"', "[import] date_format: names day, month and year, such as %d/%m/%Y, got '%m/%Y'"),
        ('[import]\ndate_format = "%Q"', "[import] date_format: names day, month and year"),
        ("[model]\ntrees = 0", "whobuys.toml, [model] trees: should be greater than or equal to 1"),
        ("[model]\ncolumn_share = 1.5", "whobuys.toml, [model] column_share: should be less than or equal to 1"),
        ("[model]\ntres = 3", "whobuys.toml, [model]: 'tres' is no key, did you mean 'trees'?"),
        ("[shop", "whobuys.toml: this is not valid TOML"),
        ("train = 3", "whobuys.toml, [train]: should be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        load_config(written(tmp_path, text))
    assert message in str(error.value)


def test_the_template_states_no_setting_of_the_model_and_shows_its_defaults(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, template())).model.stated() == {}
    shown = load_config(written(tmp_path, re.sub(r"^#(?=\S)", "", template(), flags=re.MULTILINE)))
    assert shown.model.stated() == settings_of(InterestConfig())


def test_settings_of_the_model_reach_the_recipe(tmp_path: Path) -> None:
    stated = {"trees": 300, "logistic_strength": 0.01, "half_life": 90.0}
    recipe = recipe_of(load_config(written(tmp_path, "[model]\n" + "".join(f"{name} = {value}\n" for name, value in stated.items()))))
    assert settings_of(recipe.interest) == {**settings_of(InterestConfig()), **stated}
    assert recipe.likelihood == recipe_of(Config()).likelihood


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "[model]\ntrees = 300\n"),
        ("", "[model]\ntrees = 300\n"),
        ("[train]  # ours\nseed = 2 # lucky\n", "[train]  # ours\nseed = 2 # lucky\n\n[model]\ntrees = 300\n"),
        ("[train]\r\nseed = 2", "[train]\r\nseed = 2\n\n[model]\ntrees = 300\n"),
        (template(), template() + "\n[model]\ntrees = 300\n"),
    ],
    ids=["no file", "empty", "comments", "no line end", "template"],
)
def test_a_section_is_written_behind_what_stands_there(tmp_path: Path, before: str | None, after: str) -> None:
    path = tmp_path / "whobuys.toml"
    if before is not None:
        path.write_bytes(before.encode())
    assert add_section(tmp_path, "model", {"trees": 300}) == path
    assert path.read_bytes().decode() == after
    assert load_config(tmp_path).model.stated() == {"trees": 300}
    assert [each.name for each in tmp_path.iterdir()] == ["whobuys.toml"]


@pytest.mark.parametrize(
    ("text", "settings", "error", "message"),
    [
        ("[model]\ntrees = 80\n", {"trees": 300}, Refused, "has a section [model] already; take it out"),
        ("model = { trees = 80 }\n", {"trees": 300}, Refused, "has a section [model] already"),
        ("[train]\n", {"trees": 0}, DataError, "[model] trees: should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_written_changes_nothing(tmp_path: Path, text: str, settings: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        add_section(written(tmp_path, text), "model", settings)
    assert message in str(raised.value)
    assert (tmp_path / "whobuys.toml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("order_id", "--map order_id: is written canonical=column, such as order_id=InvoiceNo"),
        ("=x", "--map =x: is written canonical=column"),
        ("ordr_id=x", "--map ordr_id=x: 'ordr_id' is no canonical column, did you mean 'order_id'?"),
        ("product.price=x", "did you mean 'products.price'?"),
    ],
)
def test_a_map_that_is_none(pair: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_map([pair])
    assert message in str(error.value)


def test_all_that_is_wrong_in_a_map_is_told_and_nothing_is_mapped_twice() -> None:
    with pytest.raises(UsageError) as error:
        parse_map(["order_id=No", "ordr_id=x", "order_id=Nr", "price"])
    assert str(error.value).splitlines() == [
        "--map ordr_id=x: 'ordr_id' is no canonical column, did you mean 'order_id'?",
        "--map order_id=Nr: 'order_id' is mapped already, to No; name it once, and separate several columns by commas",
        "--map price: is written canonical=column, such as order_id=InvoiceNo",
    ]


def test_options_lie_over_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, '[import]\ncancelled_prefix = "C"\ndecimal = ","\n[import.map]\norder_id = "Nr"\nprice = "Preis"'))
    laid = with_import(config, map=parse_map(["order_id=No"]), cancelled_prefix="", decimal=".")
    assert (laid.imports.cancelled_prefix, laid.imports.decimal) == ("C", ".")
    assert laid.imports.map == {"order_id": ("No",), "price": ("Preis",)}
    with pytest.raises(UsageError, match=r"\[import\] delimiter: "):
        with_import(config, delimiter="ab")
