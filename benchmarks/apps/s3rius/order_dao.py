from uuid import UUID

from fastapi import Depends
from peer.db.dependencies import get_db_session
from peer.db.models.order_model import OrderModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession


class OrderDAO:
    def __init__(self, session: AsyncSession = Depends(get_db_session)) -> None:
        self.session = session

    async def get_order(self, order_id: UUID) -> OrderModel | None:
        return await self.session.get(OrderModel, order_id)

    async def newest_orders(self, limit: int) -> list[OrderModel]:
        rows = await self.session.execute(select(OrderModel).order_by(OrderModel.id.desc()).limit(limit))
        return list(rows.scalars().fetchall())

    async def create_order(self, **values: object) -> OrderModel:
        order = OrderModel(**values)
        self.session.add(order)
        await self.session.flush()
        await self.session.refresh(order)
        return order
