from chassis.errors import ServiceError


class OrderNotFound(ServiceError):
    status = 404
    slug = "order-not-found"
    title = "There is no such order"


class OrderExists(ServiceError):
    status = 409
    slug = "order-exists"
    title = "An order with this reference exists"


class IllegalTransition(ServiceError):
    status = 409
    slug = "illegal-transition"
    title = "The order's status does not allow this change"
