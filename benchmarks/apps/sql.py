"""What every contestant on asyncpg itself shares: the statements, the pool, and an order as it goes out."""

import os
from decimal import Decimal
from typing import Any

import asyncpg
from uuid_utils.compat import uuid7

COLUMNS = "id, reference, amount, currency, status, created_at, updated_at"
READ = f"SELECT {COLUMNS} FROM orders WHERE id = $1"
PAGE = f"SELECT {COLUMNS} FROM orders ORDER BY id DESC LIMIT $1"
INSERT = f"""
    INSERT INTO orders (id, reference, amount, currency, status, version) VALUES ($1, $2, $3, $4, 'placed', 1)
    RETURNING {COLUMNS}
"""


def pool() -> asyncpg.Pool:
    size = int(os.environ["POOL"])
    return asyncpg.create_pool(os.environ["DATABASE"], min_size=size, max_size=size)


async def insert(database: asyncpg.Pool, new: dict[str, str]) -> asyncpg.Record:
    return await database.fetchrow(INSERT, uuid7(), new["reference"], Decimal(new["amount"]), new["currency"])


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """Make an order of what any JSON encoder takes."""
    times = {name: row[name].isoformat() for name in ("created_at", "updated_at")}
    return {**row, "id": str(row["id"]), "amount": str(row["amount"]), **times}


def page(rows: list[asyncpg.Record], limit: int) -> dict[str, Any]:
    last = str(rows[limit - 1]["id"]) if len(rows) > limit else None
    return {"items": [shown(row) for row in rows[:limit]], "next_cursor": last}
