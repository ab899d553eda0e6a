"""Words of business that mean nearly the same. In: a stem. Out: the other stems of its group.

Short on purpose: what every company calls by two names, with the German and French words. What a deployment says besides
belongs into the comments of its tables.
"""

from __future__ import annotations

from functools import cache

from pg_guard.ask.spelling import words

__all__ = ["synonyms"]

_GROUPS = (
    "customer client buyer consumer purchaser kunde kundin klient acheteur",
    "employee staff worker personnel colleague mitarbeiter angestellte salarie",
    "supplier vendor lieferant fournisseur creditor",
    "product item article goods merchandise produkt artikel ware produit",
    "order purchase bestellung auftrag commande",
    "invoice bill rechnung facture",
    "payment receipt zahlung reglement paiement",
    "revenue turnover sales umsatz income earnings",
    "price cost preis prix fee charge",
    "salary wage pay earnings gehalt lohn salaire",
    "department team division abteilung departement",
    "address adresse anschrift",
    "account konto compte",
    "car vehicle automobile fahrzeug vehicule auto",
    "truck lorry van lkw camion",
    "plane aircraft airplane flight flew fly flugzeug avion",
    "doctor physician arzt medecin",
    "drug medication medicine medikament",
    "illness disease sickness diagnosis krankheit maladie",
    "student pupil learner schueler etudiant eleve",
    "teacher lecturer professor instructor tutor lehrer",
    "lawyer attorney counsel solicitor anwalt avocat",
    "house home building property dwelling premise household haus immeuble",
    "tenant renter lessee mieter locataire",
    "shipment delivery consignment lieferung livraison expedition",
    "warehouse storehouse depot lager entrepot",
    "stock inventory lagerbestand",
    "holiday vacation leave absence urlaub conge",
    "defect fault failure breakdown outage malfunction",
    "error failure mistake fehler erreur",
    "complaint claim reklamation reclamation",
    "discount rebate reduction remise rabatt coupon voucher",
    "refund return reimbursement",
    "contract agreement vertrag contrat",
    "city town place stadt ville",
    "country nation nationality land pays",
    "song track titel chanson",
    "movie film",
    "picture image photo bild",
    "firm company business enterprise organization organisation firma societe",
    "user member login account",
    "child kid children kind enfant",
    "phone telephone mobile telefon",
    "mail email letter",
    "website site page",
    "borrower debtor loan",
    "meeting appointment termin",
    "rating score grade mark note",
    "review feedback rating satisfaction",
    "date day datum",
    "quantity amount number menge quantite",
    "ticket case issue request",
    "location site place ort lieu",
    "consumption usage used verbrauch consommation",
    "staff crew",
)


def synonyms(stem: str) -> frozenset[str]:
    """What else a word may be called, as stems.

    Args:
        stem: One of those that `pg_guard.ask.spelling.words` gives.
    """
    return _by_stem().get(stem, frozenset())


@cache
def _by_stem() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for group in _GROUPS:
        stems = frozenset(words(group))
        for stem in stems:
            found[stem] = (found.get(stem, frozenset()) | stems) - {stem}
    return found
