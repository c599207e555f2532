"""Everything `decisionlog` raises.

```
DecisionLogError
├── MisuseError               calls that do not add up; raised under strict=True, else counted
│   ├── RuntimeStateError         the runtime is not open, or is open already
│   ├── NoRunError                no run is in progress here, or none of that id
│   ├── EndedError                the run or the decision has ended, or its outcome is known
│   ├── UnknownDecisionError      no decision of that id was made in this run
│   ├── UnknownOptionError        the choice is not among the options
│   └── InvalidValueError         a value of the wrong type or outside its range
├── WriteError                closing lost records (raised under strict=True, else a warning)
└── ReadError                 the traces cannot give what was asked for
    ├── RunNotFoundError
    ├── DecisionNotFoundError
    └── RunInProgressError        a live run is not deleted
```

With `strict=False`, the default, an agent never sees a `MisuseError` or a `WriteError`: each kind
is logged once as a warning and counted in `runtime.stats()`.
"""


class DecisionLogError(Exception):
    """The root of all errors of this library."""


class MisuseError(DecisionLogError):
    """A call that does not add up. Raised only by `Runtime(..., strict=True)`."""


class RuntimeStateError(MisuseError):
    """The runtime is not open, or is open already."""


class NoRunError(MisuseError):
    """No run is in progress in this context, or none with the given id."""


class EndedError(MisuseError):
    """The run or decision has ended already; a second outcome, for example."""


class UnknownDecisionError(MisuseError):
    """The run made no decision with this id."""


class UnknownOptionError(MisuseError):
    """The chosen option is not among the options."""


class InvalidValueError(MisuseError):
    """A value has the wrong type or is outside its range."""


class WriteError(DecisionLogError):
    """Records could not be written before the runtime closed. Raised only with `strict=True`."""


class ReadError(DecisionLogError):
    """The traces cannot give what was asked for."""


class RunNotFoundError(ReadError):
    """There is no run with this id in the directory."""


class DecisionNotFoundError(ReadError):
    """The run holds no decision with this id."""


class RunInProgressError(ReadError):
    """The run is still being written, so it is not deleted."""


def brief(value: object) -> str:
    """A caller's value in a message: a short text as it is, of others the type."""
    if type(value) is str:
        return f"{value[:80]!r}"
    # Not `type(value).__name__`: a metaclass may have something to say about that.
    return f"a {_name_of(type(value))}"


_name_of = type.__dict__["__name__"].__get__
