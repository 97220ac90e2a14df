"""`analyzer sql`."""

from __future__ import annotations

import click

from analyzer.cli import common


@click.command(epilog="Example: analyzer sql rows")
@click.argument("name", required=False)
@common.json_option
def command(name: str | None, as_json: bool) -> None:
    """Show the SQL statements that read raw logs.

    Without NAME: all of them, each with its purpose. With NAME: the statement as it runs, and its
    header: grain, what it reads, parameters, columns.
    """
    from analyzer import sql

    if name is not None:
        query = sql.load(name)
        if as_json:
            common.show_json(query)
        else:
            click.echo(query.text, nl=False)
        return
    queries = [sql.load(name) for name in sql.names()]
    if as_json:
        common.show_json(queries)
        return
    common.show_table(["name", "purpose"], [(q.name, q.purpose) for q in queries])
