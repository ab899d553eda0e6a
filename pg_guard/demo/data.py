"""The rows of the sample database. In: a seed. Out: tables of tuples, the same on every machine and at any time.

Every value that a policy should protect is a canary: text ``CANARY-<what>-<n>``, or a number whose digits begin with
918273. `CANARIES` finds one in any text, also in lower case, reversed or as hexadecimal digits.
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import asyncpg

from pg_guard.demo import vocabulary as words

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CANARIES", "Table", "sample_tables"]

CANARIES = re.compile(r"canary-|-yranac|43414e4152592d|(?<![\d.])918273", re.IGNORECASE)

SEED = 18_2026
CUSTOMERS, ORDERS, REVIEWS, WEB_EVENTS, EMPLOYEES = 400, 2_500, 700, 3_000, 40
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 181

_T = TypeVar("_T")
Row = tuple[Any, ...]


class Table(NamedTuple):
    """Rows of one table, in the order of `columns`; tables come in an order that satisfies the foreign keys."""

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: list[Row]


def sample_tables(seed: int = SEED) -> list[Table]:
    """All tables with their rows (about 17,000), ready for COPY by asyncpg."""
    rng = random.Random(seed)  # noqa: S311 - sample data, not a secret
    customers = _customers(rng)
    products = _products(rng)
    orders, items, payments = _sales(rng, customers.rows, products.rows)
    return [
        *_places(rng),
        *_range_of_goods(rng),
        products,
        customers,
        orders,
        items,
        payments,
        _reviews(rng),
        _inventory(rng),
        _web_events(rng),
        *_hidden(rng),
    ]


def _table(name: str, columns: str, rows: list[Row]) -> Table:
    schema, _, relation = name.partition(".")
    return Table(schema, relation, tuple(columns.split()), rows)


def _pick(rng: random.Random, weighted: Sequence[tuple[_T, int]]) -> _T:
    return rng.choices([value for value, _ in weighted], [weight for _, weight in weighted])[0]


def _moment(rng: random.Random, start: datetime = FIRST_DAY, days: int = DAYS) -> datetime:
    """A moment between 7:00 and 23:00, as shops and their visitors are awake."""
    return start + timedelta(
        days=rng.randrange(days), hours=rng.triangular(7, 23, 19), microseconds=rng.randrange(10**6)
    )


def _money(value: float) -> Decimal:
    return Decimal(round(value * 100)) / 100


def _hidden_number(number: int) -> Decimal:
    """Below a thousand different amounts, each of whose digits begin with 918273."""
    return Decimal(918273) + Decimal(number % 100) / 100


def _places(rng: random.Random) -> list[Table]:
    regions: list[Row] = [(n, name, country) for n, (name, country) in enumerate(words.REGIONS, 1)]
    stores: list[Row] = []
    for n, (name, region) in enumerate(words.STORES, 1):
        hours = {day: ["10:00", "19:00"] for day in ("mon", "tue", "wed", "thu", "fri")} | {"sat": ["10:00", "16:00"]}
        place = asyncpg.Point(round(rng.uniform(2, 13), 4), round(rng.uniform(44, 58), 4))
        opened = date(2008, 3, 1) + timedelta(days=rng.randrange(6000))
        stores.append((n, region, name, opened, place if n % 5 else None, json.dumps(hours)))
    return [
        _table("public.regions", "id name country", regions),
        _table("public.stores", "id region_id name opened_on location opening_hours", stores),
    ]


def _range_of_goods(rng: random.Random) -> list[Table]:
    ids = {name: n for n, (name, _) in enumerate(words.CATEGORIES, 1)}
    categories: list[Row] = [(ids[name], ids[parent] if parent else None, name) for name, parent in words.CATEGORIES]
    suppliers: list[Row] = []
    for n, (name, country) in enumerate(words.SUPPLIERS, 1):
        email = f"orders@supplier{n}.example" if n % 4 else None
        suppliers.append((n, name, country, email, round(rng.uniform(2.5, 5), 1) if n % 6 else None))
    return [
        _table("public.categories", "id parent_id name", categories),
        _table("public.suppliers", "id name country contact_email rating", suppliers),
    ]


def _products(rng: random.Random) -> Table:
    ids = {name: n for n, (name, _) in enumerate(words.CATEGORIES, 1)}
    rows: list[Row] = []
    for category, noun, low, high in words.GOODS:
        for model in words.MODELS:
            n = len(rows) + 1
            price = _money(rng.triangular(low, high, low)) + Decimal("0.9")
            attributes: dict[str, Any] = {"colour": rng.choice(words.COLOURS), "weight_g": rng.randrange(120, 4000, 10)}
            if noun == "tent":
                attributes["persons"] = rng.randint(1, 6)
            start = date(2025, 9, 1) + timedelta(days=rng.randrange(200))
            rows.append(
                (
                    n,
                    ids[category],
                    rng.randint(1, len(words.SUPPLIERS)) if n % 9 else None,
                    f"{noun[:3].upper()}-{n:04d}",
                    f"{model} {noun}",
                    price,
                    _money(float(price) * rng.uniform(0.4, 0.7)),
                    tuple(Decimal(rng.randrange(5, 120)) for _ in range(3)) if n % 7 else None,
                    rng.sample(words.TAGS, rng.randrange(4)),
                    json.dumps(attributes),
                    asyncpg.Range(start, start + timedelta(days=365) if n % 3 else None) if n % 8 else None,
                    n % 17 == 0,
                )
            )
    columns = "id category_id supplier_id sku name price cost size tags attributes available discontinued"
    return _table("public.products", columns, rows)


def _customers(rng: random.Random) -> Table:
    rows: list[Row] = []
    for n in range(1, CUSTOMERS + 1):
        first, last = rng.choice(words.FIRST_NAMES), rng.choice(words.LAST_NAMES)
        city, country = _pick(rng, [((city, country), weight) for city, country, weight in words.CITIES])
        preferences: dict[str, Any] = {"newsletter": rng.random() < 0.4, "language": country.lower()}
        if rng.random() < 0.3:
            preferences["sizes"] = {"shoe": rng.randint(36, 47), "jacket": rng.choice("SML")}
        rows.append(
            (
                n,
                rng.choices((1, 2, 3), (6, 3, 1))[0],
                f"{first} {last}",
                f"customer{n}@mail.example",
                city,
                country,
                _pick(rng, words.SEGMENTS),
                date(1945, 1, 1) + timedelta(days=rng.randrange(22_000)) if rng.random() < 0.85 else None,
                rng.randrange(1, n) if n > 20 and rng.random() < 0.25 else None,
                json.dumps(preferences),
                _moment(rng, datetime(2024, 1, 1, tzinfo=UTC), 730),
                f"CANARY-password-{n}",
                f"CANARY-card-{n}" if n % 3 else None,
                f"CANARY-ssn-{n}" if n % 4 else None,
            )
        )
    columns = "id tenant_id name email city country segment birth_date referred_by preferences created_at"
    return _table("public.customers", f"{columns} password_hash card_token ssn", rows)


def _sales(rng: random.Random, customers: list[Row], products: list[Row]) -> tuple[Table, Table, Table]:
    orders: list[Row] = []
    items: list[Row] = []
    payments: list[Row] = []
    # A few customers and products make most of the sales, and sales grow towards summer.
    regulars = [1 / (1 + n) ** 0.6 for n in range(len(customers))]
    favourites = [1 / (1 + (n * 7) % len(products)) ** 0.5 for n in range(len(products))]
    moments = sorted(max(_moment(rng), _moment(rng)) if rng.random() < 0.3 else _moment(rng) for _ in range(ORDERS))
    for n, moment in enumerate(moments, 1):
        customer = rng.choices(customers, regulars)[0]
        status = _pick(rng, words.STATUSES)
        total = Decimal(0)
        wanted = dict.fromkeys(
            p[0] for p in rng.choices(products, favourites, k=rng.choices((1, 2, 3, 5), (3, 4, 3, 1))[0])
        )
        for line, product in enumerate(wanted, 1):
            quantity = rng.choices((1, 2, 3, 6), (70, 20, 7, 3))[0]
            price = products[product - 1][5]
            discount = Decimal(rng.choices(("0", "0.05", "0.1", "0.25"), (70, 12, 12, 6))[0])
            total += quantity * price * (1 - discount)
            items.append((n, line, product, quantity, price, discount))
        total = _money(float(total))
        shipped = (
            moment + timedelta(hours=rng.uniform(8, 96)) if status in ("shipped", "delivered", "returned") else None
        )
        store = rng.randint(1, len(words.STORES)) if rng.random() < 0.6 else None
        currency = {"CH": "CHF", "DK": "DKK", "SE": "SEK", "NO": "NOK"}.get(customer[5], "EUR")
        note = rng.choice(words.NOTES) if rng.random() < 0.08 else None
        orders.append((n, customer[1], customer[0], store, status, moment, shipped, total, currency, note))
        if status not in ("pending", "cancelled"):
            paid = moment + timedelta(minutes=rng.uniform(0, 600))
            payments.append((len(payments) + 1, customer[1], n, _pick(rng, words.METHODS), total, paid))
    columns = "id tenant_id customer_id store_id status ordered_at shipped_at total currency note"
    return (
        _table("public.orders", columns, orders),
        _table("public.order_items", "order_id line product_id quantity unit_price discount", items),
        _table("public.payments", "id tenant_id order_id method amount paid_at", payments),
    )


def _reviews(rng: random.Random) -> Table:
    rows: list[Row] = []
    for n in range(1, REVIEWS + 1):
        product = rng.randint(1, len(words.GOODS) * len(words.MODELS))
        rating = rng.choices((1, 2, 3, 4, 5), (5, 7, 15, 33, 40))[0]
        title = rng.choice(words.REVIEW_TITLES) if rng.random() < 0.7 else None
        body = rng.choice(words.REVIEW_BODIES) if rng.random() < 0.5 else None
        rows.append((n, product, rng.randint(1, CUSTOMERS), rating, title, body, _moment(rng)))
    return _table("public.reviews", "id product_id customer_id rating title body created_at", rows)


def _inventory(rng: random.Random) -> Table:
    rows: list[Row] = [
        (store, product, max(0, round(rng.gauss(14, 10))), _moment(rng, FIRST_DAY + timedelta(days=150), 30))
        for store in range(1, len(words.STORES) + 1)
        for product in range(1, len(words.GOODS) * len(words.MODELS) + 1)
        if rng.random() < 0.8
    ]
    return _table("public.inventory", "store_id product_id on_hand updated_at", rows)


def _web_events(rng: random.Random) -> Table:
    rows: list[Row] = []
    while len(rows) < WEB_EVENTS:
        session = uuid.UUID(int=rng.getrandbits(128), version=4)
        customer = rng.randint(1, CUSTOMERS) if rng.random() < 0.45 else None
        moment = _moment(rng)
        address = ipaddress.IPv4Address(rng.randrange(2**8) + int(ipaddress.IPv4Address("203.0.113.0")))
        for _ in range(min(rng.randint(1, 8), WEB_EVENTS - len(rows))):
            kind = _pick(rng, words.EVENT_KINDS)
            product = rng.randint(1, len(words.GOODS) * len(words.MODELS))
            path = {"search": "/search", "checkout": "/checkout", "purchase": "/thanks"}.get(
                kind, f"/products/{product}"
            )
            payload: dict[str, Any] = {"device": rng.choice(("phone", "desktop", "tablet"))}
            if kind == "search":
                payload |= {"query": rng.choice(words.SEARCHES), "results": rng.randrange(40)}
            if kind == "add_to_cart":
                payload |= {"items": [{"product_id": product, "quantity": rng.randint(1, 3)}]}
            client = address if rng.random() < 0.9 else None
            rows.append((len(rows) + 1, moment, session, customer, kind, path, json.dumps(payload), client))
            moment += timedelta(seconds=rng.uniform(5, 240))
    columns = "id occurred_at session_id customer_id kind path payload client_ip"
    return _table("public.web_events", columns, rows)


def _hidden(rng: random.Random) -> list[Table]:
    """What nobody who asks through the guard may see."""
    departments: list[Row] = [(n, name, Decimal(9182730000 + n * 1000)) for n, name in enumerate(words.DEPARTMENTS, 1)]
    employees: list[Row] = []
    payroll: list[Row] = []
    for n in range(1, EMPLOYEES + 1):
        department = 1 + n % len(departments)
        manager = rng.randrange(1, min(n, 7)) if n > 1 else None
        hired = date(2012, 1, 1) + timedelta(days=rng.randrange(5000))
        name, email = f"CANARY-employee_name-{n}", f"CANARY-employee_email-{n}@harbour.example"
        employees.append((n, department, manager, name, email, hired, _hidden_number(n), f"CANARY-national_id-{n}"))
        for month in range(1, 7):
            number = len(payroll) + 1
            account = f"CANARY-bank_account-{n}"
            payroll.append((number, n, date(2026, month, 1), _hidden_number(number), account))
    log: list[Row] = [
        (
            n,
            _moment(rng),
            f"CANARY-audit_actor-{n}",
            f"CANARY-audit_action-{n}",
            json.dumps({"note": f"CANARY-detail-{n}"}),
        )
        for n in range(1, 201)
    ]
    keys: list[Row] = [(n, f"CANARY-key_owner-{n}", f"CANARY-api_key-{n}", _moment(rng)) for n in range(1, 13)]
    trail: list[Row] = [(n, _moment(rng), f"CANARY-audit_trail-{n}") for n in range(1, 101)]
    return [
        _table("hr.departments", "id name budget", departments),
        _table("hr.employees", "id department_id manager_id name email hired_on salary national_id", employees),
        _table("hr.payroll", "id employee_id month gross bank_account", payroll),
        _table("audit.log", "id at actor action detail", log),
        _table("audit.api_keys", "id owner secret created_at", keys),
        _table("public.audit_trail", "id at entry", trail),
        _table("public.Secret Stuff", "id Value", [(n, f"CANARY-secret_value-{n}") for n in range(1, 11)]),
    ]
