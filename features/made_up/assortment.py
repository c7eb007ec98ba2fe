"""What the made-up shop sells: a text table of categories, with who likes them, when, and what they cost -> frozen rows and month weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.tables import PATH_SEPARATOR

TASTES = ("camping", "hiking", "alpine", "skiing", "cycling", "running", "training", "paddling", "swimming", "fishing")
TASTE_POPULARITY = (0.14, 0.15, 0.08, 0.12, 0.13, 0.13, 0.09, 0.05, 0.05, 0.06)
EVERYDAY = "everyday"
"""What everybody buys whatever their tastes: a fixed share of the lines."""

SEASONS: dict[str, tuple[float, ...]] = {
    "all": (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    "summer": (0.3, 0.3, 0.5, 1.0, 1.7, 2.2, 2.2, 1.5, 0.8, 0.4, 0.4, 0.7),
    "winter": (2.0, 1.6, 1.0, 0.5, 0.3, 0.2, 0.2, 0.4, 0.8, 1.4, 1.8, 1.8),
    "spring": (0.7, 0.9, 1.5, 1.9, 1.6, 1.1, 0.9, 0.8, 0.8, 0.6, 0.5, 0.7),
}
"""How a category's sales move over the year: one weight a month, January first, about 1 on average."""

_TABLE = """
Outdoor > Camping   | Tents                   | tent                   | camping          | 7   | 290  | summer | durable
Outdoor > Camping   | Down sleeping bags      | down sleeping bag      | camping          | 4   | 220  | summer | durable
Outdoor > Camping   | Synthetic sleeping bags | synthetic sleeping bag | camping          | 4   | 110  | summer | durable
Outdoor > Camping   | Sleeping bag liners     | sleeping bag liner     | camping          | .1  | 35   | all    |
Outdoor > Camping   | Sleeping mats           | sleeping mat           | camping          | 5   | 70   | summer |
Outdoor > Camping   | Gas stoves              | gas stove              | camping          | 3   | 60   | summer | durable
Outdoor > Camping   | Multi-fuel stoves       | multi-fuel stove       | camping          | 2   | 120  | summer | durable
Outdoor > Camping   | Gas canisters           | gas canister           | camping          | .3  | 8    | all    |
Outdoor > Camping   | Cookware                | cooking set            | camping          | 4   | 45   | all    |
Outdoor > Camping   | Mosquito repellent      | mosquito repellent     | camping          | .3  | 12   | summer |
Outdoor > Camping   | Camping chairs          | camping chair          | camping          | 5   | 50   | summer |
Outdoor > Camping   | Cool boxes              | cool box               | camping          | 3   | 80   | summer |
Outdoor > Camping   | Rooftop tents           | rooftop tent           | camping          | 6   | 390  | all    | new
Outdoor > Hiking    | Hiking boots            | hiking boots           | hiking           | 7   | 160  | spring | durable
Outdoor > Hiking    | Boot care               | boot wax               | hiking           | .1  | 12   | all    |
Outdoor > Hiking    | Backpacks               | backpack               | hiking camping   | 6   | 130  | summer | durable
Outdoor > Hiking    | Rain covers             | rain cover             | hiking           | .1  | 28   | all    |
Outdoor > Hiking    | Trekking poles          | trekking poles         | hiking           | 4   | 80   | summer |
Outdoor > Hiking    | Shell jackets           | shell jacket           | hiking alpine    | 5   | 240  | all    | durable
Outdoor > Hiking    | Wash and proofing       | wash-in proofing       | hiking           | .1  | 14   | all    |
Outdoor > Hiking    | Fleece jackets          | fleece jacket          | hiking           | 5   | 80   | winter |
Outdoor > Hiking    | Hiking trousers         | hiking trousers        | hiking           | 5   | 100  | all    |
Outdoor > Hiking    | Headlamps               | headlamp               | hiking running   | 3   | 50   | winter |
Outdoor > Hiking    | Freeze-dried meals      | freeze-dried meal      | hiking camping   | 2   | 9    | summer |
Outdoor > Climbing  | Climbing ropes          | climbing rope          | alpine           | 3   | 150  | all    | durable
Outdoor > Climbing  | Rope bags               | rope bag               | alpine           | .1  | 35   | all    |
Outdoor > Climbing  | Harnesses               | climbing harness       | alpine           | 4   | 80   | all    |
Outdoor > Climbing  | Climbing shoes          | climbing shoes         | alpine           | 3   | 120  | all    |
Outdoor > Climbing  | Climbing chalk          | climbing chalk         | alpine           | .1  | 9    | all    |
Outdoor > Climbing  | Carabiners              | carabiner              | alpine           | 5   | 15   | all    |
Outdoor > Climbing  | Climbing helmets        | climbing helmet        | alpine           | 3   | 70   | all    |
Outdoor > Climbing  | Crampons                | crampons               | alpine           | 5   | 150  | winter |
Outdoor > Climbing  | Ice axes                | ice axe                | alpine           | .1  | 120  | winter | long-tail
Outdoor > Climbing  | Ice screws              | ice screw              | alpine           | 2   | 65   | winter |
Outdoor > Fishing   | Spinning rods           | spinning rod           | fishing          | 5   | 90   | summer |
Outdoor > Fishing   | Fly rods                | fly rod                | fishing          | 2.5 | 300  | summer | durable
Outdoor > Fishing   | Fly lines               | fly line               | fishing          | .1  | 60   | all    |
Outdoor > Fishing   | Lures                   | lure                   | fishing          | 4   | 8    | summer |
Outdoor > Fishing   | Waders                  | waders                 | fishing          | 4   | 200  | summer | durable
Outdoor > Fishing   | Fly tying               | fly tying kit          | fishing          | .1  | 45   | winter | long-tail
Winter > Skiing     | Alpine skis             | alpine skis            | skiing           | 5   | 450  | winter | durable
Winter > Skiing     | Ski boots               | ski boots              | skiing           | 5   | 300  | winter | durable
Winter > Skiing     | Ski goggles             | ski goggles            | skiing           | 5   | 90   | winter |
Winter > Skiing     | Ski helmets             | ski helmet             | skiing           | 4   | 120  | winter |
Winter > Skiing     | Ski jackets             | ski jacket             | skiing           | 5   | 260  | winter |
Winter > Skiing     | Ski gloves              | ski gloves             | skiing           | 5   | 60   | winter |
Winter > Nordic     | Cross-country skis      | cross-country skis     | skiing           | 4   | 250  | winter | durable
Winter > Nordic     | Ski wax                 | ski wax                | skiing           | .1  | 15   | winter |
Winter > Touring    | Touring skis            | touring skis           | alpine skiing    | 3   | 550  | winter | durable
Winter > Touring    | Ski skins               | ski skins              | alpine           | .1  | 150  | winter |
Winter > Touring    | Avalanche transceivers  | avalanche transceiver  | alpine skiing    | 2   | 300  | winter | durable
Winter > Touring    | Avalanche shovels       | avalanche shovel       | alpine           | .1  | 60   | winter |
Winter > Touring    | Telemark bindings       | telemark binding       | skiing           | .1  | 280  | winter | long-tail
Cycling > Bikes     | City bikes              | city bike              | cycling          | 6   | 700  | spring | durable
Cycling > Bikes     | Mountain bikes          | mountain bike          | cycling          | 4   | 1200 | spring | durable
Cycling > Bikes     | Road bikes              | road bike              | cycling          | 3   | 1600 | spring | durable
Cycling > Bikes     | Gravel bikes            | gravel bike            | cycling          | 3   | 1500 | spring | durable
Cycling > Equipment | Bike locks              | bike lock              | cycling          | .3  | 60   | all    |
Cycling > Equipment | Bike helmets            | bike helmet            | cycling          | 6   | 80   | spring |
Cycling > Equipment | Bike lights             | bike light             | cycling          | 6   | 35   | winter |
Cycling > Equipment | Chain oil               | chain oil              | cycling          | .3  | 10   | all    |
Cycling > Equipment | Inner tubes             | inner tube             | cycling          | 3   | 7    | all    |
Cycling > Equipment | Bikepacking bags        | bikepacking bag        | cycling          | .1  | 90   | summer | long-tail
Cycling > Clothing  | Cycling shorts          | cycling shorts         | cycling          | 6   | 80   | summer |
Cycling > Clothing  | Chamois cream           | chamois cream          | cycling          | .1  | 16   | all    |
Sports > Running    | Running shoes           | running shoes          | running          | 9   | 130  | spring |
Sports > Running    | Running watches         | running watch          | running          | 4   | 280  | all    | durable
Sports > Running    | Chest straps            | chest strap            | running          | .1  | 60   | all    |
Sports > Running    | Running vests           | running vest           | running          | 4   | 90   | all    | durable
Sports > Running    | Soft flasks             | soft flask             | running          | .1  | 20   | all    |
Sports > Running    | Energy gels             | energy gel             | running          | 3   | 3    | all    |
Sports > Sportswear | Running tights          | running tights         | running          | 8   | 60   | all    |
Sports > Sportswear | Training tops           | training top           | training running | 9   | 40   | all    |
Sports > Sportswear | Sports bras             | sports bra             | training         | 6   | 45   | all    |
Sports > Sportswear | Training shorts         | training shorts        | training         | 6   | 35   | summer |
Sports > Training   | Dumbbells               | dumbbell               | training         | 4   | 40   | winter |
Sports > Training   | Yoga mats               | yoga mat               | training         | 6   | 50   | all    | durable
Sports > Training   | Mat cleaners            | mat cleaner            | training         | .1  | 11   | all    |
Sports > Training   | Protein powder          | protein powder         | training         | 3   | 30   | all    |
Sports > Training   | Foam rollers            | foam roller            | training         | 4   | 30   | all    |
Sports > Training   | Resistance bands        | resistance band        | training         | 5   | 18   | all    |
Water > Paddling    | Kayaks                  | kayak                  | paddling         | 3   | 800  | summer | durable
Water > Paddling    | Spray decks             | spray deck             | paddling         | .1  | 110  | summer |
Water > Paddling    | Paddles                 | paddle                 | paddling         | 4   | 110  | summer |
Water > Paddling    | Dry bags                | dry bag                | paddling camping | 4   | 30   | summer |
Water > Paddling    | Packrafts               | packraft               | paddling         | .1  | 700  | summer | long-tail
Water > Swimming    | Swimwear                | swimsuit               | swimming         | 6   | 45   | summer |
Water > Swimming    | Swim goggles            | swim goggles           | swimming         | 4   | 25   | all    |
Water > Swimming    | Anti-fog spray          | anti-fog spray         | swimming         | .1  | 9    | all    |
Water > Swimming    | Wetsuits                | wetsuit                | swimming         | 4   | 220  | summer | durable
Basics > Clothing   | Socks                   | socks                  | everyday         | 10  | 14   | all    |
Basics > Clothing   | T-shirts                | T-shirt                | everyday         | 9   | 30   | all    |
Basics > Clothing   | Caps and hats           | cap                    | everyday         | 7   | 25   | all    |
Basics > Clothing   | Wool base layers        | wool base layer        | everyday         | 6   | 70   | winter |
Basics > Equipment  | Water bottles           | water bottle           | everyday         | 9   | 20   | all    |
Basics > Equipment  | Energy bars             | energy bar             | everyday         | 8   | 3    | all    |
Basics > Equipment  | Sunscreen               | sunscreen              | everyday         | 5   | 15   | summer |
"""


@dataclass(frozen=True)
class Category:
    """One category: its path, what one product of it is called, who likes it (weights within a taste), unit price, season and kind."""

    path: str
    noun: str
    tastes: tuple[str, ...]
    weight: float
    price: float
    season: str
    kind: str

    @property
    def name(self) -> str:
        """The last part of the path; no two categories share it."""
        return self.path.split(PATH_SEPARATOR)[-1]


def _category(line: str) -> Category:
    parent, name, noun, tastes, weight, price, season, kind = (cell.strip() for cell in line.split("|"))
    return Category(f"{parent}{PATH_SEPARATOR}{name}", noun, tuple(tastes.split()), float(weight), float(price), season, kind)


CATEGORIES: tuple[Category, ...] = tuple(_category(line) for line in _TABLE.strip().splitlines())
"""Every category of the shop at scale 1 and below; larger shops split each into ranges."""

CODES: dict[str, int] = {category.name: code for code, category in enumerate(CATEGORIES)}
"""The number of each category by the last part of its path."""


def kind_is(kind: str) -> NDArray[np.bool_]:
    """Which categories are of a kind, one flag a category."""
    return np.array([category.kind == kind for category in CATEGORIES])


def month_weights() -> NDArray[np.float64]:
    """How much each taste (and last, everyday) buys of each category in each month: shape (tastes + 1, 12, categories), weights of sales."""
    weights = np.zeros((len(TASTES) + 1, 12, len(CATEGORIES)))
    for code, category in enumerate(CATEGORIES):
        for taste in category.tastes:
            row = len(TASTES) if taste == EVERYDAY else TASTES.index(taste)
            weights[row, :, code] = category.weight / len(category.tastes) * np.array(SEASONS[category.season])
    return weights
