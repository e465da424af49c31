"""One process for all that must happen before the web answers: starting Python and Django once instead of five times.

Arguments are management commands, each with its own arguments in one word: "create_admin --first".
"""

import os
import shlex
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.core.management import CommandError, call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    for line in sys.argv[1:]:
        name, *arguments = shlex.split(line)
        try:
            call_command(name, *arguments)
        except CommandError as error:
            sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main()
