"""Names, types and comments that speak of sensitive data, and those that only look like it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pg_guard.advise.sensitive import load_vocabulary, words
from pg_guard.catalog.model import Column, Name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
WORDS = load_vocabulary()


def column(name: str, type_: str = "text", comment: str = "") -> Column:
    return Column(name, Name("pg_catalog", type_), comment=comment)


@pytest.mark.parametrize(
    ("name", "type_", "category", "language"),
    [
        ("password_hash", "text", "credential", "en"),
        ("Benutzerpasswort", "text", "credential", "de"),
        ("mot_de_passe", "text", "credential", "fr"),
        ("contraseña", "text", "credential", "es"),
        ("CONTRASENA", "text", "credential", "es"),
        ("senha", "text", "credential", "pt"),
        ("パスワード", "text", "credential", "ja"),
        ("Kontonummer", "text", "payment", "de"),
        ("kreditkartenNummer", "text", "payment", "de"),
        ("card_token", "text", "payment", "en"),
        ("numero_securite_sociale", "text", "government-id", "fr"),
        ("numéroSécuritéSociale", "text", "government-id", "fr"),
        ("codice_fiscale", "varchar", "government-id", "it"),
        ("führerschein", "text", "government-id", "de"),
        ("fuehrerschein_nr", "text", "government-id", "de"),
        ("geburtsdatum", "date", "birth", "de"),
        ("date_de_naissance", "date", "birth", "fr"),
        ("home_phone_number", "text", "contact", "en"),
        ("courriel", "text", "contact", "fr"),
        ("Straße", "text", "contact", "de"),
        ("gehalt", "numeric", "income", "de"),
        ("salaire_brut", "numeric", "income", "fr"),
        ("blutgruppe", "bpchar", "health", "de"),
        ("x", "inet", "network", ""),
    ],
)
def test_sensitive_columns_are_found(name: str, type_: str, category: str, language: str) -> None:
    hint = WORDS.column(column(name, type_))
    assert hint is not None
    assert (hint.category, hint.sure) == (category, True)
    assert language in hint.why
    assert hint.why.startswith("name: " if language else "type inet: ")


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("name", "text"),
        ("status", "text"),
        ("total", "numeric"),
        ("email_verified", "bool"),
        ("email_sent_at", "timestamptz"),
        ("password_changed_at", "timestamptz"),
        ("token_count", "int4"),
        ("num_tokens", "int4"),
        ("has_email", "text"),
        ("address_id", "int4"),
        ("phone_id", "uuid"),
        ("email_template", "text"),
        ("shipped_at", "timestamptz"),
        ("tax_rate", "numeric"),
        ("description", "text"),
        ("birthing_unit", "text"),
        ("telegram", "text"),
        ("ipso_facto", "text"),
    ],
)
def test_names_that_only_look_like_it_are_left_alone(name: str, type_: str) -> None:
    assert WORDS.column(column(name, type_)) is None


def test_what_is_only_suspicious_is_not_sure() -> None:
    for name, type_ in (("nachname", "text"), ("payload", "jsonb"), ("session_id", "uuid"), ("gender", "text")):
        hint = WORDS.column(column(name, type_))
        assert hint is not None
        assert not hint.sure


def test_a_domain_speaks_for_its_column() -> None:
    hint = WORDS.column(Column("reach_me", Name("public", "email_address")), "text")
    assert hint is not None
    assert hint.category == "contact"


@pytest.mark.parametrize(
    "comment", ["Personenbezogene Daten", "PII", "données personnelles", "Never shown to anyone", "datos personales"]
)
def test_a_comment_speaks_for_its_column(comment: str) -> None:
    hint = WORDS.column(column("x1", comment=comment))
    assert hint is not None
    assert hint.sure
    assert comment in hint.why
    assert WORDS.column(column("x1", comment="The day on which it was shipped")) is None


def test_relations_and_schemas_that_are_not_for_analysts() -> None:
    for name in (
        "hr",
        "personalwesen",
        "payroll",
        "audit_trail",
        "api_keys",
        "Secret Stuff",
        "gehälter",
        "ressources_humaines",
    ):
        hint = WORDS.relation(name)
        assert hint is not None, name
        assert hint.sure
    for name in ("orders", "customers", "auditorium", "sharks", "products"):
        assert WORDS.relation(name) is None, name
    by_comment = WORDS.relation("orders", "Confidential until the audit")
    assert by_comment is not None
    assert not by_comment.sure


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("tenant_id", "sure"),
        ("MandantID", "sure"),
        ("organisation", "sure"),
        ("org_uuid", "sure"),
        ("société", "sure"),
        ("customer_id", "maybe"),
        ("kunde", "maybe"),
        ("product_id", ""),
        ("organ_id", ""),
    ],
)
def test_names_for_tenants(name: str, answer: str) -> None:
    assert WORDS.tenant(name) == answer


def test_words_of_a_name() -> None:
    assert words("userHTTPPassword2_Hash") == ("user", "http", "password", "2", "hash")
    assert words("ÉtatCivil") == ("etat", "civil")
    assert words("") == ()


def pack_names(node: Any) -> Iterator[str]:
    """Column names in a rule's condition."""
    if isinstance(node, list):
        for item in node:
            yield from pack_names(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "column" and isinstance(value, dict) and "name" in value:
                names = value["name"]
                yield from names if isinstance(names, list) else [names]
            else:
                yield from pack_names(value)


def test_the_vocabulary_agrees_with_the_pack_of_personal_data() -> None:
    """Two lists, for two purposes: what the pack denies by name must not be unknown to `pg-guard init`."""
    counted = 0
    for path in sorted((ROOT / "rules" / "pii").glob("PG*.yaml")):
        rule = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = [name for name in pack_names(rule["match"]) if not name.startswith("$")]
        plain = [name.replace("*_", "x_").replace("_*", "_x").replace("*", "") for name in names]
        unknown = [name for name in plain if WORDS.column(column(name)) is None]
        counted += len(plain)
        assert len(unknown) <= max(1, 0.2 * len(plain)), (rule["id"], unknown)
    assert counted > 300
