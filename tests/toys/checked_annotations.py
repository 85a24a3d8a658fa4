"""Every function and dataclass of the package is checked against its annotations while the tests run.

Array shapes and dtypes are checked by jaxtyping, the rest by beartype. A `float` may be given as an integer, as in PEP 484. Names
that a module imports only for the type checker are not known when it runs, and are not checked.
"""

import inspect
import sys
from dataclasses import is_dataclass
from functools import partial, wraps
from types import FunctionType, ModuleType
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype


def install() -> None:
    """Before the package is imported."""
    # The hook takes the checker by its dotted name, so the configured one needs a module to live in.
    checker = ModuleType("ticketlab_annotation_checker")
    checker.checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
    sys.modules[checker.__name__] = checker
    # What the hook writes before every definition.
    jaxtyping.jaxtyped = partial(check_when_called, {}, jaxtyping.jaxtyped)
    jaxtyping.install_import_hook("ticketlab", f"{checker.__name__}.checked")


class Calls:
    """Which calls of a function are checked: the first ones in every test, or all.

    Class attributes:
        test: the number of the present test.
        checked: how many calls of a function are checked in a test.
    """

    test, checked = 0, sys.maxsize

    def __init__(self) -> None:
        self.of, self.left = -1, 0

    def is_checked(self) -> bool:
        """Whether this call is; asked once a call."""
        if self.of != Calls.test:
            self.of, self.left = Calls.test, Calls.checked
        self.left -= 1
        return self.left >= 0


def check_when_called(made: dict[int, Any], jaxtyped: Any, *, typechecker: Any) -> Any:
    """The decorator `jaxtyped`, but a check is made when its function is first called: making one takes 3 ms, and a process calls
    few of the package's functions.

    All inner functions of one code have the same annotations, so one check serves them all: it takes the function as another,
    first argument. (Codes are told apart by identity: those of two dataclasses with equal fields are equal.)
    """

    def check_once(function: FunctionType) -> Any:
        check, calls = None, Calls()

        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            nonlocal check
            if not calls.is_checked():
                return function(*args, **kwargs)
            if check is None:
                check = jaxtyped(function, typechecker=typechecker)
            return check(*args, **kwargs)

        return checked

    def check_for_all(function: FunctionType) -> Any:
        code = function.__code__

        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if id(code) not in made:
                made[id(code)] = code, jaxtyped(_given(function), typechecker=typechecker), Calls()
            _, check, calls = made[id(code)]
            return check(function, *args, **kwargs) if calls.is_checked() else function(*args, **kwargs)

        return checked

    def decorated(defined: Any) -> Any:
        if isinstance(defined, FunctionType):
            return (check_for_all if "<locals>" in defined.__qualname__ else check_once)(defined)
        init = vars(defined).get("__init__") if is_dataclass(defined) else None
        if isinstance(init, FunctionType) and not hasattr(init, "__wrapped__"):
            defined.__init__ = check_once(init)
            return defined
        return jaxtyped(defined, typechecker=typechecker)

    return decorated


def _given(function: FunctionType) -> FunctionType:
    """`(f, *args) -> f(*args)`, annotated as `function` is."""
    call = FunctionType((lambda f, /, *args, **kwargs: f(*args, **kwargs)).__code__, function.__globals__)
    own = inspect.signature(function)
    first = inspect.Parameter("this_function", inspect.Parameter.POSITIONAL_ONLY)
    call.__signature__ = own.replace(parameters=[first, *own.parameters.values()])  # type: ignore[attr-defined]
    call.__name__, call.__qualname__, call.__module__ = (
        function.__name__,
        function.__qualname__,
        function.__module__,
    )
    return call
