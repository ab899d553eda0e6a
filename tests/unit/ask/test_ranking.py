"""Which tables a question finds: every way in which a name may differ from the word for it."""

from __future__ import annotations

import pytest

from pg_guard.ask.ranking import Document, Ranking
from pg_guard.ask.spelling import abbreviates, root, words
from pg_guard.ask.synonyms import synonyms

# Tables that a question does not mean, so that rarity means something.
OTHERS = [
    Document("misc", name, columns=("id", "created_at"))
    for name in ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
]


def best(question: str, *documents: Document) -> str | None:
    """Name of the table that comes first."""
    everything = [*OTHERS, *documents]
    scores = Ranking(everything).scores(question)
    return everything[max(scores, key=lambda number: (scores[number], -number))].name if scores else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orderItems", ["order", "item"]),
        ("order_items", ["order", "item"]),
        ("ORDER_ITEMS", ["order", "item"]),
        ("HTTPHeaders", ["http", "header"]),
        ("icd10", ["icd", "10"]),
        ("cities", ["citi"]),
        ("city", ["citi"]),
        ("boxes", ["box"]),
        ("status", ["status"]),
        ("Aufträge", ["auftrag"]),
        ("auftraege", ["auftrag"]),
        ("Straßen", ["strass"]),
        ("strasse", ["strass"]),
        ("Rechnungen", ["rechnung"]),
        ("Kunden", ["kund"]),
        ("kunde", ["kund"]),
        ("dépôts", ["depot"]),
        ("заказы", ["заказы"]),
        ("", []),
        ("!?", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("shipped", "shipment"), ("deliveries", "delivered"), ("cancelled", "cancellation"), ("booking", "booked")],
)
def test_one_root(one: str, other: str) -> None:
    assert root(words(one)[0]) == root(words(other)[0])


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("cust", "customer"), ("acct", "account"), ("qty", "quantity"), ("dept", "department"), ("svc", "service"),
        ("jrnl", "journal"), ("itm", "item"), ("ln", "line"),
    ],
)  # fmt: skip
def test_abbreviations(short: str, whole: str) -> None:
    assert 0 < abbreviates(short, whole) < 1


@pytest.mark.parametrize(
    ("short", "whole"),
    [("dat", "department"), ("customer", "cust"), ("order", "order"), ("xyz", "xylophone"), ("o", "order")],
)
def test_no_abbreviations(short: str, whole: str) -> None:
    assert abbreviates(short, whole) == 0


@pytest.mark.parametrize(
    ("question", "name", "why"),
    [
        ("How many orders are there?", "orders", "the word itself"),
        ("How many orders are there?", "tblOrder", "singular and camel case"),
        ("Where are our customers from?", "cust_mst", "an abbreviation"),
        ("which accounts are overdrawn", "acct", "a contraction"),
        ("what was shipped late", "shipment", "a word of the same root"),
        ("list all custmers", "customer", "a misspelling"),
        ("delay of each flihgt", "flight", "letters in another order"),
        ("welche Positionen", "rechnungsposition", "a part of a compound"),
        ("Bestellpositionen je Monat", "position", "a compound of the question"),
        ("purchase order volume", "purchaseorder", "words written as one"),
        ("show purchaseorder volume", "purchase_order", "one word written as two"),
        ("Aufträge der Woche", "auftraege", "an umlaut written out"),
        ("what is J45 in icd10", "icd10", "a digit in a name"),
        ("our best buyers", "customers", "a synonym"),
        ("how many Mitarbeiter", "employees", "a synonym in another language"),
    ],
)
def test_a_table_is_found_by(question: str, name: str, why: str) -> None:
    assert best(question, Document("app", name, columns=("id",))) == name, why


def test_a_table_is_found_by_its_comment() -> None:
    assert best("Which suppliers do we have?", Document("erp", "lfa1", comment="Suppliers of goods")) == "lfa1"


def test_a_table_is_found_by_a_column() -> None:
    assert best("Which firmware is installed?", Document("app", "unit", columns=("id", "firmware_version"))) == "unit"


def test_a_table_is_found_by_what_is_said_of_a_column_and_by_labels() -> None:
    document = Document("app", "t7", columns=("c1",), texts=("Date of birth", "parental leave"))
    assert best("Who has a birth date in May?", document) == "t7"
    assert best("How much parental leave was taken?", document) == "t7"


def test_a_schema_tells_which_of_two_tables_is_meant() -> None:
    documents = [Document("bank", "client"), Document("agency", "client")]
    everything = [*OTHERS, *documents]
    scores = Ranking(everything).scores("clients of the bank")
    assert scores[len(OTHERS)] > scores[len(OTHERS) + 1]


def test_the_name_tells_more_than_a_column() -> None:
    assert best("invoices", Document("a", "zz9", columns=("invoice_id", "x")), Document("b", "invoices")) == "invoices"


def test_a_name_of_more_words_is_found_less_by_one_of_them() -> None:
    documents = [Document("a", "customer_segment_rule"), Document("a", "customer")]
    assert best("customers", *documents) == "customer"


def test_what_is_written_as_a_name_comes_first() -> None:
    documents = [
        Document("crm", "orders"),
        Document("shop", "orders"),
        Document("x", "B2B_HDR"),
        Document("x", "orders_b2b"),
    ]
    assert best("orders and more orders in b2b_hdr", *documents) == "B2B_HDR"
    ranking = Ranking(documents)
    scores = ranking.scores("sum of shop.orders")
    assert scores[1] > 100 > scores[0]


def test_a_copy_comes_after_its_table_unless_it_is_asked_for() -> None:
    documents = [Document("a", name) for name in ("stg_orders", "orders", "orders_archive_2021", "orders_bak")]
    ranking = Ranking(documents)
    assert set(ranking.copies) == {0, 2, 3}
    scores = ranking.scores("orders")
    assert min(scores[0], scores[2], scores[3]) < max(scores[0], scores[2], scores[3]) < scores[1]
    assert best("archived orders", *documents) == "orders_archive_2021"
    assert best("orders in the archive of 2021", *documents) == "orders_archive_2021"


def test_a_table_with_the_word_of_a_copy_and_no_original_is_none() -> None:
    assert not Ranking([Document("a", "lab_test"), Document("a", "library_copy"), Document("a", "history")]).copies


def test_words_without_meaning_find_nothing_beside_words_with_one() -> None:
    ranking = Ranking([Document("a", "all_of_the"), Document("a", "orders")])
    assert set(ranking.scores("show me all of the orders")) == {1}
    assert set(ranking.scores("all of the")) == {0}


def test_a_question_that_shares_nothing_finds_nothing() -> None:
    assert Ranking(OTHERS).scores("quux") == {}
    assert Ranking(OTHERS).scores("") == {}
    assert Ranking([]).scores("orders") == {}


def test_synonyms_work_both_ways_and_count_less_than_the_word() -> None:
    assert "buyer" in synonyms("customer")
    assert "customer" in synonyms("buyer")
    assert "customer" not in synonyms("customer")
    assert synonyms("xylophone") == frozenset()
    assert best("all buyers", Document("a", "customers"), Document("a", "buyers")) == "buyers"


def test_a_word_that_is_spelled_right_is_not_taken_for_another() -> None:
    documents = [Document("a", "vaccination"), Document("a", "absence", texts=("vacation",))]
    scores = Ranking([*OTHERS, *documents]).scores("vacation")
    assert set(scores) >= {len(OTHERS) + 1}
    assert max(scores, key=scores.__getitem__) == len(OTHERS) + 1


def test_a_word_and_its_likeness_count_once() -> None:
    ranking = Ranking([*OTHERS, Document("a", "shipment"), Document("a", "shipments_shipped_shipping")])
    scores = ranking.scores("shipment")
    assert scores[len(OTHERS)] > scores[len(OTHERS) + 1]
