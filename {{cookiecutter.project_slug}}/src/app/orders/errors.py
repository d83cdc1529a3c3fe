from chassis.errors import ServiceError


class OrderNotFound(ServiceError):
    status = 404
    slug = "order-not-found"
    title = "There is no such order"


class OrderExists(ServiceError):
    status = 409
    slug = "order-exists"
    title = "An order with this reference exists"


class IllegalMove(ServiceError):
    status = 409
    slug = "illegal-status-change"
    title = "The order's status does not allow this"
