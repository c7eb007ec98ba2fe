"""The sections of whobuys.toml: what the shop's people decide once, each key with its default and meaning in one place."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from features.canonical_map import problem_with
from features.engines import EngineName
from features.errors import did_you_mean
from features.formats import FORMATS

Channel = Literal["email", "sms", "ads"]


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Section(BaseModel):
    """What every section is: no key that is not named here, and nothing that changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    commented: ClassVar[bool] = False
    """Whether the template shows the section without stating it, so that a shop keeps to the defaults of the whobuys it uses."""


class ShopSection(Section):
    """Facts of the shop that its exports do not tell."""

    name: str = Field(
        default="",
        description="The shop's name on reports and in MLflow. Empty: that of this folder; name it, and a copy or renamed folder is the same shop.",
    )
    timezone: str = Field(default="UTC", description='The shop\'s time zone, such as "Europe/Copenhagen": times with a zone are turned into it.')
    currency: str = Field(default="", description='The currency of all orders, such as "EUR". Empty: the one that the orders name, if they do.')
    legal_basis: dict[Channel, str] = Field(
        default={},
        description="Unknown consent means no. Where the law lets you contact customers without it, state here for each channel (email, sms, ads)\n"
        'why, and unknown consent then counts as yes: { email = "existing customers, opt-out in every mail" }.',
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"is no time zone, got {value!r}{did_you_mean(value, available_timezones())}")
        return value


class ImportSection(Section):
    """How the shop's exports are written; the options of ``whobuys import`` say the same."""

    files: Names = Field(
        default=(), description='Files to import when none is named, relative to this folder: ["exports/orders.csv", "exports/products.csv"].'
    )
    add: bool = Field(
        default=False,
        description="true: the files hold what is new or changed, and are added to what was imported before (--add). false: they hold all.",
    )
    skip_bad_lines: bool = Field(default=False, description="true: lines that cannot be read are left out, and written aside (--skip-bad-lines).")
    map: dict[str, Names] = Field(
        default={},
        description='Which column of the files is which, canonical = "column". Several columns join to a path or text:\n'
        '{ order_id = "InvoiceNo", category = ["department", "product_type"] }. Write "products.price" for a column of one table only.',
    )
    cancelled_prefix: str = Field(
        default="", description='Orders whose id begins with this are cancellations or credit notes, such as "C". Empty: none.'
    )
    date_format: Names = Field(
        default=(),
        description='How dates are written, such as "%d/%m/%Y", or several: ["%d/%m/%Y", "%Y-%m-%d"]. What fits none is refused.\n'
        "Empty: found out from the values of each column.",
    )
    decimal: Literal["", ".", ","] = Field(default="", description='The decimal sign, "." or ",". Empty: found out from the values.')
    encoding: str = Field(default="", description='How text files are encoded, such as "latin-1". Empty: UTF-8 where possible, otherwise Latin-1.')
    delimiter: str = Field(
        default="", description='What separates the columns of text files, such as ";". Empty: found out from the first lines.', max_length=1
    )
    format: str = Field(default="", description=f"The shop system that wrote the files, whose columns are known: {', '.join(FORMATS)}. Empty: none.")

    @field_validator("date_format")
    @classmethod
    def _names_a_day(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        day = datetime(2021, 11, 23)
        for each in value:
            try:
                if each and datetime.strptime(day.strftime(each), each) != day:
                    raise ValueError
            except ValueError:
                raise ValueError(f"names day, month and year, such as %d/%m/%Y, got {each!r}") from None
        return tuple(each for each in value if each)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value and value not in FORMATS:
            raise ValueError(f"is no known format, got {value!r}{did_you_mean(value, FORMATS)}")
        return value

    @field_validator("map", mode="before")
    @classmethod
    def _with_table(cls, value: object) -> object:
        """TOML reads ``products.price = "UVP"`` as a table of its own."""
        if not isinstance(value, dict):
            return value
        tables = {name: inner for name, inner in value.items() if isinstance(inner, dict)}
        named = {f"{table}.{name}": columns for table, inner in tables.items() for name, columns in inner.items()}
        for name in named.keys() & value.keys():
            raise ValueError(f"{name!r} is mapped twice")
        return {**{name: columns for name, columns in value.items() if name not in tables}, **named}

    @field_validator("map")
    @classmethod
    def _known_columns(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if wrong := [problem for name in value if (problem := problem_with(name))]:
            raise ValueError("; ".join(wrong))
        return value


class TrainSection(Section):
    """What is learnt, and from how much of the past."""

    horizon: int = Field(default=30, ge=1, le=730, description="Days ahead that a prediction is about.")
    origins: int = Field(default=5, ge=1, le=60, description="Past dates that the models learn from, the latest one horizon before the last order.")
    backtest_origins: int = Field(default=3, ge=1, le=60, description="Past dates at which predictions are compared with what then happened.")
    customers: int = Field(
        default=100_000, ge=1000, description="Customers that the models learn from, at most: of a larger shop so many are drawn, and all are scored."
    )
    seed: int = Field(default=1, ge=0, description="Seed of everything random: the same seed and the same orders give the same models.")
    keep: int = Field(
        default=8,
        ge=1,
        description="Bundles kept after a training: others are deleted when they are older than keep_days, too. The published one, the one before\n"
        "it (whobuys model rollback) and those of scores that are kept always stay.",
    )
    keep_days: int = Field(default=180, ge=0, description="Days for which a bundle stays, however many there are.")


class ModelSection(Section):
    """Settings of the model of pairs, for a shop where ``whobuys tune`` proved others than the defaults."""

    commented: ClassVar[bool] = True
    trees: int = Field(default=160, ge=1, le=5000, description="Boosted trees.")
    leaves: int = Field(default=7, ge=2, le=255, description="Leaves of each tree, at most: how many conditions come together.")
    learning_rate: float = Field(default=0.1, gt=0, le=1, description="How much of what a tree finds is believed.")
    least_in_leaf: int = Field(default=600, ge=1, le=1_000_000, description="Pairs that a leaf must hold; less where all pairs are few.")
    column_share: float = Field(default=0.2, gt=0, le=1, description="Share of the columns, drawn anew, that each tree may use.")
    ridge: float = Field(default=20.0, ge=0, le=10_000, description="How strongly the leaves are drawn toward 0 (LightGBM's lambda_l2).")
    logistic_strength: float = Field(
        default=0.001, gt=0, le=1000, description="How freely the regression beside the trees fits (scikit-learn's C): less is more cautious."
    )
    half_life: float = Field(default=45.0, ge=1, le=10_000, description="Days after which a past date counts half as much as the newest.")

    def stated(self) -> dict[str, float]:
        """The settings that stand in the file; what does not is the model's own default.

        >>> ModelSection(trees=300).stated()
        {'trees': 300}
        """
        return self.model_dump(exclude_unset=True)


class ScoreSection(Section):
    """What a scoring run holds, and how many stay."""

    top_per_set: int = Field(default=1000, ge=1, description="Customers kept for each product set.")
    top_per_customer: int = Field(default=5, ge=1, description="Product sets and products kept for each customer.")
    product_sets: tuple[str, ...] = Field(
        default=(),
        description='Product sets to score for everybody: ["category: Tents", "brand: Nordvind"]. Empty: the categories and brands\n'
        "with the most recent orders, at most 300.",
    )
    keep: int = Field(
        default=5,
        ge=1,
        description="Scoring runs kept: older ones are deleted when a new one is published. The published one and the one\n"
        "that a rollback would publish always stay.",
    )


class CustomersSection(Section):
    """What is predicted of every customer beside interests."""

    horizons: tuple[Annotated[int, Field(ge=1, le=1095)], ...] = Field(
        default=(30, 60, 90, 180, 365),
        min_length=1,
        max_length=12,
        description="Days ahead for which likelihood, orders and revenue are predicted. Those that are too long to be learnt are carried on.\n"
        "New ones take effect with: whobuys train --promote; the settings below with the next whobuys score.",
    )
    lifetime_days: int = Field(default=730, ge=30, le=3650, description="Days ahead that the lifetime value adds up.")
    discount_rate: float = Field(default=0.1, ge=0, le=1, description="What money is worth less a year later, for the lifetime value: 0.1 is 10 %.")
    margin: float = Field(
        default=1.0, gt=0, le=1, description="Share of the revenue that is left when goods are paid, for the lifetime value. 1: it is revenue."
    )

    @field_validator("horizons")
    @classmethod
    def _in_order(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))


class AudiencesSection(Section):
    """What the numbers and the exports of audiences need to know."""

    default_country: str = Field(
        default="",
        description='The country of customers and phone numbers that are written without one, by its code of two letters, such as "NO".\n'
        "Empty: none, and such numbers are left out of exports.",
    )
    suppression: str = Field(
        default="",
        description="A CSV file of those who must never be written to (customer ids, e-mail addresses, phones), relative to this folder.\n"
        "Is it named and missing, nothing is exported. Empty: suppressed.csv in this folder, where there is one.",
    )
    contact_cost: dict[Channel, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="What one contact costs, by channel, in the shop's currency: { email = 0.01, sms = 0.06, ads = 0.2 }."
    )
    campaign_cost: float = Field(
        default=0.0, ge=0, description="What one more campaign costs whatever its size (texts, pictures, work), for the smallest size that pays."
    )
    contact_caps: dict[Channel, Annotated[int, Field(ge=0)]] = Field(
        default={},
        description="To how many audiences of a plan one customer may belong, by channel: { email = 2 }. One, where nothing is stated; 0 closes a\n"
        "channel.",
    )

    @field_validator("default_country")
    @classmethod
    def _two_letters(cls, value: str) -> str:
        if value and not (len(value) == 2 and value.isascii() and value.isalpha()):
            raise ValueError(f'is a code of two letters, such as "NO", got {value!r}')
        return value.upper()


class WeeklySection(Section):
    """What is expected of a shop that is kept up to date."""

    stale_days: int = Field(default=7, ge=1, le=3650, description="Days after the last order from which on answers are said to be old.")
    stale_bundle_days: int = Field(
        default=60,
        ge=1,
        le=3650,
        description="Days of orders that the bundle in use may not know before it is said to be old: whobuys weekly trains anew.",
    )


class NotifySection(Section):
    """Who is told when a weekly run fails or refuses; addresses with keys and passwords stand in environment variables, never in a file."""

    always: bool = Field(default=False, description="true: a run that was done is told, too.")
    webhook: str = Field(
        default="", description='The environment variable with the address that is posted to, such as "WHOBUYS_WEBHOOK". Empty: none is.'
    )
    smtp_host: str = Field(default="", description='The mail server, such as "smtp.example.com". Empty: no mail is sent.')
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description='"starttls" (mostly port 587), "tls" from the first byte (465), or "none", for a server on this machine.'
    )
    smtp_user: str = Field(
        default="WHOBUYS_SMTP_USER", description="The environment variable with the user's name. Where it is not set, nobody logs in."
    )
    smtp_password: str = Field(default="WHOBUYS_SMTP_PASSWORD", description="The environment variable with the password.")
    sender: str = Field(default="", description="The address that mails come from. Empty: the first of those they go to.")
    to: Names = Field(default=(), description='Who gets mails: ["shop@example.com"].')

    @model_validator(mode="after")
    def _to_somebody(self) -> Self:
        if self.smtp_host and not self.to:
            raise ValueError("names a mail server in smtp_host, and nobody in to")
        return self


class EngineSection(Section):
    """What train and score look at the orders with; a shop that outgrows one machine takes Spark (docs/cluster.md)."""

    name: EngineName = Field(default="duckdb", description='"duckdb": this machine. "spark": as many as Spark has.')
    part: int = Field(default=200_000, ge=100, description="Customers that one machine scores at once, where Spark has many: less needs less memory.")


class Config(Section):
    """All of whobuys.toml; every key has a default."""

    shop: ShopSection = ShopSection()
    imports: ImportSection = Field(default=ImportSection(), alias="import")
    train: TrainSection = TrainSection()
    model: ModelSection = ModelSection()
    score: ScoreSection = ScoreSection()
    customers: CustomersSection = CustomersSection()
    audiences: AudiencesSection = AudiencesSection()
    weekly: WeeklySection = WeeklySection()
    notify: NotifySection = NotifySection()
    engine: EngineSection = EngineSection()

    @field_validator("engine", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        """``engine = "spark"`` above all sections says as much."""
        return {"name": value} if isinstance(value, str) else value


SECTIONS: dict[str, type[Section]] = {
    "shop": ShopSection,
    "import": ImportSection,
    "train": TrainSection,
    "model": ModelSection,
    "score": ScoreSection,
    "customers": CustomersSection,
    "audiences": AudiencesSection,
    "weekly": WeeklySection,
    "notify": NotifySection,
    "engine": EngineSection,
}
