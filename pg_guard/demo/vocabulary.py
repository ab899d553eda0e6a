"""Words for the sample database. In: nothing. Out: made-up names of people, places and goods.

Some are outside of ASCII or hold an apostrophe on purpose: that is what real data does to a query.
"""

from __future__ import annotations

FIRST_NAMES = (
    "Aino", "Amélie", "Anders", "Beatriz", "Björn", "Carla", "Chloë", "Dimitri", "Elif", "Emma", "Fatima", "Finn",
    "Giulia", "Hannah", "Iker", "Ingrid", "Jan", "João", "Katarzyna", "Lars", "Léa", "Liam", "Lucía", "Marek", "Mia",
    "Nadia", "Noah", "Olga", "Øyvind", "Paul", "Quentin", "Rosa", "Samir", "Sofia", "Søren", "Tomáš", "Ursula",
    "Victor", "Yara", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Andersson", "Bakker", "Bianchi", "Brandt", "Costa", "D'Angelo", "Dubois", "Eriksen", "Fernández", "García",
    "Gruber", "Hansen", "Horváth", "Ivanova", "Jansen", "Keller", "Kowalski", "Lefèvre", "Lindqvist", "Martin",
    "Müller", "Novák", "O'Brien", "Öztürk", "Petit", "Popescu", "Quist", "Rossi", "Ruiz", "Schmidt", "Silva",
    "Steiner", "Tóth", "Urban", "Virtanen", "Wagner", "Weber", "Yılmaz", "Zimmermann", "Ångström",
)  # fmt: skip
# City, country, weight of its customers.
CITIES = (
    ("Hamburg", "DE", 9), ("Berlin", "DE", 10), ("München", "DE", 7), ("Köln", "DE", 5), ("Wien", "AT", 6),
    ("Graz", "AT", 3), ("Zürich", "CH", 4), ("Amsterdam", "NL", 6), ("Rotterdam", "NL", 3), ("København", "DK", 5),
    ("Aarhus", "DK", 2), ("Malmö", "SE", 3), ("Göteborg", "SE", 4), ("Oslo", "NO", 4), ("Paris", "FR", 8),
    ("Lyon", "FR", 4), ("Nice", "FR", 2), ("Porto", "PT", 2), ("Gdańsk", "PL", 4), ("Kraków", "PL", 3),
)  # fmt: skip
REGIONS = (("Nord", "DE"), ("Süd", "DE"), ("Alpen", "AT"), ("Benelux", "NL"), ("Skandinavien", "DK"), ("Ouest", "FR"))
STORES = (
    ("Hafenkontor", 1), ("Speicherstadt", 1), ("Marktplatz", 1), ("Viktualien", 2), ("Domblick", 2), ("Naschmarkt", 3),
    ("Nordkette", 3), ("Grachtenhuis", 4), ("Maas", 4), ("Nyhavn", 5), ("Haga", 5), ("Vieux-Lyon", 6),
)  # fmt: skip
# Name, name of the parent (or None).
CATEGORIES = (
    ("Camping", None), ("Tents", "Camping"), ("Sleeping bags", "Camping"), ("Stoves", "Camping"), ("Hiking", None),
    ("Boots", "Hiking"), ("Backpacks", "Hiking"), ("Poles", "Hiking"), ("Climbing", None), ("Ropes", "Climbing"),
    ("Harnesses", "Climbing"), ("Water", None), ("Kayaks", "Water"), ("Dry bags", "Water"), ("Clothing", None),
    ("Jackets", "Clothing"), ("Base layers", "Clothing"), ("Gift cards", None),
)  # fmt: skip
# Category, noun, lowest price, highest price.
GOODS = (
    ("Tents", "tent", 149, 690), ("Sleeping bags", "sleeping bag", 79, 420), ("Stoves", "stove", 29, 160),
    ("Boots", "boots", 99, 320), ("Backpacks", "backpack", 59, 290), ("Poles", "trekking poles", 25, 150),
    ("Ropes", "rope", 69, 240), ("Harnesses", "harness", 49, 140), ("Kayaks", "kayak", 390, 1890),
    ("Dry bags", "dry bag", 12, 69), ("Jackets", "jacket", 89, 540), ("Base layers", "base layer", 29, 99),
)  # fmt: skip
MODELS = ("Brise", "Fjell", "Gletscher", "Halde", "Kite", "Lagune", "Nord 60°", "Pico", "Tarn", "Vent d'Ouest")
TAGS = ("bestseller", "lightweight", "recycled", "waterproof", "winter", "family", "new", "clearance")
COLOURS = ("slate", "moss", "ochre", "ink", "coral")
SUPPLIERS = (
    ("Alpwerk GmbH", "AT"), ("Baltic Canvas", "PL"), ("Cascais Têxteis", "PT"), ("Dansk Friluft", "DK"),
    ("Écume & Fils", "FR"), ("Fjordline AS", "NO"), ("Gran Sasso S.r.l.", "IT"), ("Hansa Rope Works", "DE"),
    ("Isar Outdoor", "DE"), ("Jura Équipement", "FR"), ("Kattegat Kayak", "SE"), ("Lofoten Ull", "NO"),
    ("Montaña Viva", "ES"), ("Noordzee Tenten", "NL"), ("Ostsee Leder", "DE"), ("Polar Dun", "FI"),
)  # fmt: skip
SEGMENTS = (("consumer", 80), ("business", 15), ("wholesale", 5))
STATUSES = (("delivered", 62), ("shipped", 10), ("paid", 8), ("pending", 6), ("returned", 8), ("cancelled", 6))
METHODS = (("card", 55), ("paypal", 25), ("invoice", 15), ("gift card", 5))
NOTES = (
    "Please drop the parcel at the back door", "Geschenk – bitte ohne Rechnung", "Call before delivery; don't ring",
    "Update: new address from 1 March", "Leave with neighbour (2nd floor)", "Merci d'emballer séparément 🎁",
)  # fmt: skip
REVIEW_TITLES = ("Would buy again", "Not for rain", "Très bien", "Solid, but heavy", "Perfekt für den Fjord", "Meh")
REVIEW_BODIES = (
    "Used it for a week in the Alps, no complaints.", "The zip broke after two days; support replaced it at once.",
    "Leichter als erwartet, Farbe wie auf dem Bild.", "Sizes run small: order one up.",
    "It's 100% what the page says 👍", "Arrived late, the product itself is fine.",
)  # fmt: skip
EVENT_KINDS = (("page_view", 60), ("search", 15), ("add_to_cart", 13), ("checkout", 7), ("purchase", 5))
SEARCHES = ("tent 2 person", "waterproof jacket", "rope 60m", "schlafsack winter", "kayak", "select a size", "gift")
DEPARTMENTS = ("Management", "Finance", "Logistics", "Stores", "Web", "Buying")
