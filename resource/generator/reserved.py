"""Names that are taken, by whom."""

COLUMNS = frozenset({"id", "version", "created_at", "updated_at"})

# Of pydantic's BaseModel and SQLAlchemy's DeclarativeBase, which a field would hide.
OF_BASE_CLASSES = frozenset(
    "construct copy dict fields from_orm json metadata parse_file parse_obj parse_raw registry schema schema_json"
    " update_forward_refs validate".split()
)

# Types that annotations name, parameters of a list, and what the type of a field would be called.
OF_SCHEMAS = frozenset(
    "before create cursor date datetime decimal exists limit not_found query read refers_to_nothing references row"
    " update".split()
)

# Local and imported names of the generated code, and the folders beside the features.
OF_ITS_CODE = frozenset(
    "added again annotated answer answers any app asyncio base boolean changed changes client committing_client conftest"
    " connection cookiecutter count cursor database date datetime decimal defaults dev driver enum errors etag"
    " exists_page factories field field_name fields first given headers health ids if_match index item items json kit"
    " lifespan limit limits logs lost main metadata method middleware migrations model models new numbers numeric"
    " other page pages params path precondition preconditions problem problems pytest query rate read reads"
    " reference references request requests response route router row rows schema schemas second select server"
    " service session settings sizes slug sqlalchemy state statement statements status string structlog tag taken"
    " test tests text timedelta transaction unknown update uuid uuid7 value values versions violations walk wanted"
    " won".split()
)

# As SQLAlchemy has them, which would quote each name wherever it stands.
POSTGRESQL = frozenset(
    "all analyse analyze and any array as asc asymmetric authorization between binary both case cast check collate"
    " column constraint create cross current_catalog current_date current_role current_schema current_time"
    " current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign"
    " freeze from full grant group having ilike in initially inner intersect into is isnull join lateral leading"
    " left like limit localtime localtimestamp natural new not notnull null of off offset old on only or order outer"
    " over overlaps placing primary references returning right select session_user similar some symmetric table"
    " then to trailing true union unique user using variadic verbose when where window with".split()
)
