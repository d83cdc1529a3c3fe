"""Names that are taken, by whom."""


def _names(written: str) -> frozenset[str]:
    return frozenset(written.split())


COLUMNS = frozenset({"id", "version", "created_at", "updated_at"})

# Of pydantic's BaseModel and SQLAlchemy's DeclarativeBase, which a field would hide.
OF_BASE_CLASSES = _names("""
    construct copy dict fields from_orm json metadata parse_file parse_obj parse_raw registry schema
    schema_json update_forward_refs validate
""")

# Types that annotations name, parameters of a list, and what the type of a field would be called.
OF_SCHEMAS = _names("""
    before create cursor date datetime decimal exists limit not_found query read refers_to_nothing
    references row update
""")

# Of the generated code, as they are and as the class of a resource would hide them; of what is beside it.
OF_ITS_CODE = _names("""
    add added again alembic annotated answer answers any api_router app asked async_client
    async_session asyncio base base_model big_integer bindparam change changed changes
    client committing_client config_dict conftest contextmanager count create create_app created_at
    cursor date date_time datetime day decimal defaults delete dev digits each
    entry_points enum executor error errors etag etag_header factories fastapi field filters first
    foreign_key func get
    given headers health httpx2 idempotent_session idempotent_transaction ids
    if_match index insert instant iterator json json_value kind kit lifespan limit limits listing
    logs lost main mapped mapped_column metadata method middleware missing model_config models name
    new newest numeric other page pages params path precondition precondition_failed problems
    pydantic pytest pool query read references replica response responses route router row rows schemas
    second select server service service_error session sizes slug source_id sqlalchemy statement
    status str_enum strict_bool string structlog tag taken tests text timedelta title
    transaction update updated_at uuid uuid4 value values version violations walk wanted
    with_etag won
""")

# As SQLAlchemy has them, which would quote each name wherever it stands.
POSTGRESQL = _names("""
    all analyse analyze and any array as asc asymmetric authorization between binary both case cast
    check collate column constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user default deferrable desc distinct do
    else end except false fetch for foreign freeze from full grant group having ilike in initially
    inner intersect into is isnull join lateral leading left like limit localtime localtimestamp
    natural new not notnull null of off offset old on only or order outer over overlaps placing
    primary references returning right select session_user similar some symmetric table then to
    trailing true union unique user using variadic verbose when where window with
""")
