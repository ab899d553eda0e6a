"""Every function of the known extensions is classified, and the analyst's default separates honest from dangerous."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
import yaml

from pg_guard.catalog import builtins

ANALYST = frozenset({"pure", "aggregate", "window", "set-returning", "clock", "random", "session-info", "type-io"})

EXTENSION_FUNCTIONS = yaml.safe_load((Path(__file__).parent / "extension_functions.yaml").read_text())


def _allowed(name: str, extension: str) -> bool:
    capabilities = builtins.classify(name, extension=extension)
    assert capabilities is not None, f"{name} is not classified"
    return capabilities <= ANALYST


@pytest.mark.parametrize("extension", sorted(EXTENSION_FUNCTIONS))
def test_every_function_of_an_extension_is_classified(extension: str) -> None:
    names = set(EXTENSION_FUNCTIONS[extension].split())
    assert sorted(names - builtins.names(extension=extension)) == []
    later = set(builtins.source(extension, extension=True).versions)
    assert builtins.names(extension=extension) - names == later


def test_every_extension_file_is_enumerated() -> None:
    assert builtins.extensions() == set(EXTENSION_FUNCTIONS)


async def test_pgvector_of_the_server_is_classified(server_dsn: str) -> None:
    connection = await asyncpg.connect(server_dsn)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("CREATE EXTENSION vector")
        rows = await connection.fetch(
            "SELECT p.proname::text FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass"
            " AND d.objid = p.oid JOIN pg_extension e ON e.oid = d.refobjid"
            " WHERE d.deptype = 'e' AND e.extname = 'vector'"
        )
        await transaction.rollback()
    finally:
        await connection.close()
    assert {row[0] for row in rows} == builtins.names(extension="vector")


@pytest.mark.parametrize(
    ("extension", "honest"),
    [
        ("vector", "l2_distance cosine_distance inner_product avg sum vector vector_dims vector_l2_squared_distance"),
        (
            "postgis",
            "st_area st_distance st_within st_intersects st_buffer st_union st_transform st_setsrid st_asgeojson",
        ),
        ("postgis", "st_makepoint st_dwithin st_geomfromtext st_x st_y st_collect st_clusterdbscan st_asmvt geometry"),
        ("postgis", "st_coverageunion st_dump st_astext geography_distance_knn postgis_full_version st_generatepoints"),
        ("postgis_raster", "st_value st_clip st_union st_summarystats st_slope st_aspng st_intersects"),
        ("pg_trgm", "similarity word_similarity show_trgm similarity_op"),
        ("hstore", "hstore each akeys svals exist fetchval"),
        ("pgcrypto", "digest hmac crypt gen_random_uuid gen_salt pgp_sym_decrypt"),
        ("fuzzystrmatch", "levenshtein soundex metaphone daitch_mokotoff"),
        ("unaccent", "unaccent"),
        ("ltree", "nlevel subpath lca ltree_isparent"),
        ("intarray", "icount sort uniq idx"),
        ("citext", "citext citext_eq regexp_replace"),
        ("uuid-ossp", "uuid_generate_v4 uuid_generate_v5"),
        ("tablefunc", "normal_rand"),
        ("earthdistance", "earth_distance ll_to_earth"),
    ],
)
def test_honest_functions_of_extensions_are_in_reach(extension: str, honest: str) -> None:
    assert [name for name in honest.split() if not _allowed(name, extension)] == []


@pytest.mark.parametrize(
    ("extension", "dangerous"),
    [
        ("dblink", "dblink dblink_exec dblink_connect dblink_send_query dblink_get_pkey dblink_build_sql_insert"),
        ("tablefunc", "crosstab crosstab2 crosstab3 crosstab4 connectby"),
        ("xml2", "xpath_table xslt_process"),
        ("postgis", "st_findextent st_estimatedextent addgeometrycolumn dropgeometrytable lockrow find_srid"),
        ("postgis", "st_fromflatgeobuftotable postgis_extensions_upgrade _postgis_stats"),
        (
            "postgis_raster",
            "st_mapalgebra st_mapalgebraexpr st_fromgdalraster st_addband st_bandpath st_retile raster_in",
        ),
        ("postgis_topology", "createtopology droptopology topologysummary st_getfacegeometry"),
        ("pageinspect", "get_raw_page heap_page_items tuple_data_split"),
        ("adminpack", "pg_file_write pg_file_unlink"),
        ("pg_stat_statements", "pg_stat_statements pg_stat_statements_reset"),
        ("pgrowlocks", "pgrowlocks"),
        ("pg_trgm", "set_limit"),
        ("address_standardizer", "standardize_address"),
        ("postgres_fdw", "postgres_fdw_disconnect_all postgres_fdw_get_connections"),
        ("pg_surgery", "heap_force_kill"),
        ("pg_walinspect", "pg_get_wal_records_info"),
        ("isn", "isn_weak"),
    ],
)
def test_dangerous_functions_of_extensions_are_out_of_reach(extension: str, dangerous: str) -> None:
    assert [name for name in dangerous.split() if _allowed(name, extension)] == []
