"""What whobuys.toml says of money: contacts, campaigns, margin, and how often a customer may be contacted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from features.config import Config


@dataclass(frozen=True)
class Costs:
    """What whobuys.toml says of money: what a contact costs by channel, what a campaign costs whatever its size, which share of the revenue is left
    (``margin``), and to how many audiences one customer may belong by channel (``caps``)."""

    contact: Mapping[str, float] = field(default_factory=dict)
    campaign: float = 0.0
    margin: float = 1.0
    caps: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> Self:
        """The costs of a shop's configuration."""
        stated = config.audiences
        contact = {str(channel): cost for channel, cost in stated.contact_cost.items()}
        return cls(contact, stated.campaign_cost, config.customers.margin, {str(channel): cap for channel, cap in stated.contact_caps.items()})

    def left_out(self, channel: str) -> Iterator[str]:
        """What cannot be said, or is counted as nothing, since it is not stated: sentences."""
        if channel not in self.contact:
            yield (
                f"whobuys.toml states no contact cost of {channel} ([audiences] contact_cost), so return, profit, the sizes that pay and what an "
                "offer may cost are left out"
            )
        if self.margin == 1:
            yield "whobuys.toml states no margin ([customers] margin), so all of the revenue counts as gain"
