"""The command line: `decisionlog ls`, `show`, `why`, `diff`, `tail`, `check`, `prune`, `view`,
`report`, `demo`.

```
app ──> select     which directory, which run
    ──> listing    the table of runs, and what a check found
    ──> story      one run, decision by decision
    ──> why, diff  why one failed, and how two differ
    ──> live       one run while it goes on
    ──> many       what many runs say; answers, findings and intervals are its tables
    ──> pruning    which runs to remove
    ──> viewing    the viewer, and reports
    ──> showcase   the demo: its progress, and what it left
         └──> look, text, output    how things look, read and reach the terminal
```

It needs the `[cli]` extra, and is imported by `decisionlog.__main__` alone.
"""
