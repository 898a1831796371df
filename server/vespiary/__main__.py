"""The way in: `vespiary ...`. Starts the language server without loading the command line, which an editor waits for."""

import sys


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    if sys.argv[1:2] == ["serve"]:
        from vespiary.fronts.lsp.main import serve

        sys.exit(serve(sys.argv[2:]))
    from vespiary.fronts.cli.main import app

    app()


if __name__ == "__main__":
    main()
