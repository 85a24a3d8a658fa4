"""A name for a user's own code, found, imported and hashed: `my_package.my_module:make_model` or `my_model.py:make_model`."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ticketlab.adapters.user_code import first_line
from ticketlab.errors import UserError

__all__ = ["REFERENCE", "digest", "resolve"]

REFERENCE = re.compile(r"(?P<place>.+):(?P<name>[A-Za-z_]\w*)", re.DOTALL)
LIBRARIES = ("torch", "flax", "equinox")  # whose versions the numbers of a model depend on


def resolve(reference: str) -> Any:
    """What a reference names. Modules are looked for in the current folder too.

    Raises:
        UserError: for a reference that is not MODULE:NAME, a module or a file that does not exist or cannot be imported, and a
            name that is not in it.
    """
    module, name = _imported(reference)
    try:
        return getattr(module, name)
    except AttributeError:
        public = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise UserError(
            f"{reference!r}, while {module.__name__} has no {name!r}",
            f"a function in it ({', '.join(public[:8])})" if public else "a function in it",
        ) from None


def digest(reference: str) -> dict[str, str]:
    """What the numbers of a model depend on: a hash of its file and of what it imports from the same place, and versions.

    Files are those below the folder of the file, or of its package, that have been imported by now, and those that these name in
    an import anywhere: one within the factory happens when the model is made, after its first cell has been looked for.
    """
    module, _ = _imported(reference)
    root = _root(module)
    places = {Path(f) for m in list(sys.modules.values()) if (f := getattr(m, "__file__", None))}
    files = {place.resolve() for place in places if place.is_absolute() and place.suffix == ".py"}
    own = sorted(_with_named({f for f in files if _below(f, root)}, root, _base(module)))
    found = hashlib.sha256()
    for file in own:
        content = file.read_bytes().replace(b"\r\n", b"\n")
        found.update(file.relative_to(root).as_posix().encode() + b"\0" + content + b"\0")
    versions = {
        n: str(sys.modules[n].__version__) for n in LIBRARIES if hasattr(sys.modules.get(n), "__version__")
    }
    return {"files": found.hexdigest(), **versions}


def _below(file: Path, root: Path) -> bool:
    return root in file.parents and "site-packages" not in file.parts and file.is_file()


def _with_named(files: set[Path], root: Path, base: Path) -> set[Path]:
    """The files below the root, and those that they name in an import, and so on. Names are looked for from the base."""
    found, new = set(files), set(files)
    while new:
        named = {
            place.resolve() for file in new for name in _names(file, base) for place in _places(base, name)
        }
        new = {file for file in named if _below(file, root)} - found
        found |= new
    return found


def _names(file: Path, base: Path) -> Iterator[tuple[str, ...]]:
    """The modules that a file imports, or may, as parts of their names from the base; none of a file that is not Python."""
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = file.parts[len(base.parts) : -node.level] if node.level else ()
            module = (*around, *(node.module or "").split(".")) if node.module else around
            yield from ((*module, alias.name) for alias in node.names)


def _places(base: Path, name: tuple[str, ...]) -> Iterator[Path]:
    """The files that importing a module may run: those of its packages, and its own."""
    for count in range(1, len(name) + 1):
        place = base.joinpath(*name[:count])
        yield from (place.with_name(f"{place.name}.py"), place / "__init__.py")


def _imported(reference: str) -> tuple[ModuleType, str]:
    match = REFERENCE.fullmatch(reference)
    if not match:
        raise UserError(
            f"the model {reference!r}", "MODULE:FACTORY or FILE.py:FACTORY, such as my_module:make_model"
        )
    place, name = match["place"], match["name"]
    return (_from_file(Path(place).expanduser()) if place.endswith(".py") else _from_name(place)), name


def _from_name(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(
            f"the module {name!r}", "a module's dotted name, or the path of a file that ends in .py"
        )
    _look_in(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise UserError(
                f"the module {name!r}, which was not found",
                "a module in the current folder, or one that is installed",
                f"Run the command in the folder of {name.split('.')[0]}, or give the path of the file.",
            ) from None
        raise _broken(name, error) from error
    except Exception as error:
        raise _broken(name, error) from error


def _from_file(path: Path) -> ModuleType:
    place = path.resolve()
    if not place.is_file():
        raise UserError(f"{path}, which is no file", "a Python file with the model")
    known = sys.modules.get(place.stem)
    if (
        known is not None
        and getattr(known, "__file__", None)
        and Path(str(known.__file__)).resolve() == place
    ):
        return known
    if known is not None:
        raise UserError(
            f"{path}, whose name {place.stem!r} another module already has",
            "a name of its own",
            "Rename the file.",
        )
    _look_in(place.parent)
    try:
        return importlib.import_module(place.stem)
    except Exception as error:
        raise _broken(str(path), error) from error


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _root(module: ModuleType) -> Path:
    """The folder of a module's file, or of its outermost package's files."""
    outermost = sys.modules.get(module.__name__.partition(".")[0], module)
    return Path(str(outermost.__file__ or module.__file__)).resolve().parent


def _base(module: ModuleType) -> Path:
    """The folder in which a module's name is looked for."""
    root = _root(module)
    outermost = sys.modules.get(module.__name__.partition(".")[0], module)
    return root.parent if hasattr(outermost, "__path__") else root


def _broken(name: str, error: BaseException) -> UserError:
    return UserError(
        f"{name}, which raised {type(error).__name__} when it was imported ({first_line(error)})",
        "a module that imports",
    )
