"""Make the demo's data: orders as people write them, and the JSON object that a shop's program wants.

    python examples/orders/generate.py FOLDER

Writes FOLDER/orders.jsonl (to learn from) and FOLDER/orders-test.jsonl (to be judged by). The same seed gives the
same bytes; no text stands in both files.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

SEED = 11
LEARNT, JUDGED = 256, 64


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


FIRST = words(
    "Anna Omar Lena Ivan Sara Tural Mia Jonas Leyla Peter Nina Samir Ella Hugo Aysel Frank Rosa Elvin Karin David "
    "Emma Rashad Clara Viktor Nigar Paul Julia Farid Greta Thomas"
)
LAST = words(
    "Berg Aliyev Novak Rossi Keller Mammadov Stone Silva Fischer Hasanov Brandt Costa Meyer Ahmadov Larsen Price "
    "Vogel Ismayilov Moreau Walker Horn Quliyev Lind Fontaine Marsh Huseynov Baker Winter Abbasov Reed"
)
CITIES = words(
    "Oslo Baku Vienna Lisbon Prague Tbilisi Ghent Turin Bergen Ankara Dublin Riga Porto Zurich Lyon Sofia Ganja Bonn "
    "Malmo Cardiff"
)
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
COLOURS = words("red blue green black white yellow grey brown")
THINGS = words("mug lamp chair towel bowl candle basket blanket plate cushion clock vase mirror teapot rug tray")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TEMPLATES = (
    "Hi, this is {customer}. Please send {items} to {city} by {day}.",
    "Hello! I would like to order {items}. Deliver to {city} on {day}, please. Thanks, {customer}",
    "{customer} here. I need {items}, delivered on {day} to my address in {city}.",
    "Could you bring {items} to {city} this {day}? The order is for {customer}.",
    "New order from {customer}: {items}. Ship it to {city}, it must arrive on {day}.",
    "Good morning, can I get {items} on {day}? My name is {customer} and I live in {city}.",
)


def order(chance: random.Random) -> dict[str, str]:
    """One order: the text as `prompt`, and the object that says the same as `answer`."""
    items = {f"{chance.choice(COLOURS)} {chance.choice(THINGS)}": chance.randint(1, 10)
             for _ in range(chance.choice((1, 2, 2)))}
    facts = {"customer": f"{chance.choice(FIRST)} {chance.choice(LAST)}", "city": chance.choice(CITIES),
             "day": chance.choice(DAYS)}
    text = chance.choice(TEMPLATES).format(items=spoken(items, chance), **facts)
    answer = {"customer": facts["customer"], "items": items, "city": facts["city"], "day": facts["day"]}
    return {"prompt": text, "answer": json.dumps(answer)}


def spoken(items: dict[str, int], chance: random.Random) -> str:
    """The items as a person says them: `three red mugs and 2 blue lamps`."""
    said = []
    for name, count in items.items():
        number = NUMBERS[count - 1] if chance.random() < 0.5 else str(count)
        said.append(f"{number} {name}{'s' if count > 1 else ''}")
    return " and ".join(said)


def write(file: Path, orders: list[dict[str, str]]) -> None:
    """One JSON object a line."""
    file.write_text("".join(json.dumps(each) + "\n" for each in orders), encoding="utf-8")


def main(folder: Path) -> None:
    """Write both files."""
    chance = random.Random(SEED)
    distinct: dict[str, dict[str, str]] = {}
    while len(distinct) < LEARNT + JUDGED:
        made = order(chance)
        distinct.setdefault(made["prompt"], made)
    orders = list(distinct.values())
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "orders.jsonl", orders[:LEARNT])
    write(folder / "orders-test.jsonl", orders[LEARNT:])
    print(f"{LEARNT} orders to learn from and {JUDGED} to be judged by are in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
