"""FastAPI with SQLAlchemy's asynchronous session, as the tutorials have it. `uvicorn textbook:app`."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from orders import OrderCreate, OrderRead, Page
from sqlalchemy import DateTime, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

engine = create_async_engine(
    os.environ["DATABASE"].replace("postgresql:", "postgresql+asyncpg:", 1),
    pool_size=int(os.environ["POOL"]),
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    reference: Mapped[str]
    amount: Mapped[Decimal]
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(default="placed")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    version: Mapped[int] = mapped_column(default=1)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]
app = FastAPI()


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/v1/orders/{order_id}", response_model=OrderRead)
async def get_order(order_id: UUID, session: Session) -> Order:
    order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404)
    return order


@app.get("/v1/orders")
async def list_orders(session: Session, limit: int = 20) -> Page:
    rows = (await session.scalars(select(Order).order_by(Order.id.desc()).limit(limit + 1))).all()
    last = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[OrderRead.model_validate(row) for row in rows[:limit]], next_cursor=last)


@app.post("/v1/orders", status_code=201, response_model=OrderRead)
async def place_order(new: OrderCreate, session: Session) -> Order:
    order = Order(**new.model_dump())
    session.add(order)
    await session.commit()
    await session.refresh(order)
    return order
