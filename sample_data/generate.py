"""Write synthetic champion / challenger logs with planted incidents.

    python sample_data/generate.py OUT --pairs 1e6 --days 7 --plant drift:feature=f03,from=96

See sample_data/README.md for the columns and the plants.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__:
    from .synthetic import generate
    from .synthetic.plants import KINDS
else:
    from synthetic import generate
    from synthetic.plants import KINDS

__all__ = ["generate", "main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write; its old logs are replaced")
    parser.add_argument("--pairs", type=float, required=True, help="number of pairs, e.g. 1e7")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", default="2025-03-03", help="first UTC day")
    parser.add_argument("--features", type=int, default=20, help="numeric features, 0 to 100")
    parser.add_argument("--float64", action="store_true", help="scores and features as float64")
    ids = parser.add_mutually_exclusive_group()
    ids.add_argument("--string-ids", dest="string_ids", action="store_true", default=True)
    ids.add_argument("--int-ids", dest="string_ids", action="store_false")
    parser.add_argument("--users", type=int, help="default: a twentieth of the pairs")
    parser.add_argument("--challenger-features", action="store_true")
    parser.add_argument("--labels", action="store_true", help="also write true outcomes")
    parser.add_argument("--workers", type=int, help="processes; the bytes do not depend on it")
    parser.add_argument(
        "--plant",
        dest="plants",
        action="append",
        default=[],
        metavar="NAME[:k=v,...]",
        help=f"plant an incident: {', '.join(KINDS)}",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; print what was written as JSON."""
    arguments = vars(_parser().parse_args(argv))
    out = arguments.pop("out")
    try:
        truth = generate(out, **{**arguments, "pairs": int(arguments["pairs"])})
    except ValueError as error:
        print(f"generate: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"rows": truth["rows"], "plants": truth["plants"]}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
