"""The database: models, the session rule, named queries, migrations."""
