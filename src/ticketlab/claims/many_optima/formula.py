"""What `many-optima` asks: are independently trained networks different functions, and are they in different basins?

*Functions.* On a test example two networks either agree or not. Independent networks must disagree more often than two copies
of one network that differ only in the order of the data after a small part of training. The excess has to reach a tenth of the
error rate, or it would not matter.

    d[s, i] = differ(A, B) − differ(A, copy) − 0.1 · ½ (wrong(A) + wrong(B))        above 0

*Basins.* On the line between A and B the error rises. B is first brought to canonical form and to the best order of its
units, and REPAIR restores the spread of every unit at every point of the line. If a barrier of two points is left, no symmetry
that the code knows makes them one network. The barrier is bracketed: by the maximum along the line, which is too high, and by
one whose place is chosen on the other half of the examples.

Questions about tickets ask for tickets that fit: between networks that have learnt nothing there is no barrier either.
"""

from __future__ import annotations

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, no_misses, three
from ticketlab.claims.gates import FITTED as OF_HEADROOM
from ticketlab.claims.gates import barrier_gate, fitting, skill_gate
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, of_seeds, paired_difference
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "BASINS", "COPY", "FITTED", "FUNCTIONS", "INDEPENDENT", "LEAST", "LIMIT", "OTHER_TICKET", "OWN", "PERMUTED", "RULE",
    "TICKET", "TICKETS", "TITLES", "TWIN", "UNTRAINED", "formula", "index", "side_questions", "verdicts",
]  # fmt: skip

INDEPENDENT, TWIN, COPY, OWN, TICKETS = "independent", "twin", "copy", "own ticket", "tickets"
UNTRAINED, PERMUTED = "untrained", "permuted labels"
TICKET, OTHER_TICKET = "ticket", "other ticket"
TITLES = {
    INDEPENDENT: "an independent network",
    TWIN: "its twin",
    COPY: "its copy",
    OWN: "its own ticket",
    TICKETS: "the tickets of both networks",
    UNTRAINED: "an untrained network",
    PERMUTED: "a network trained on permuted labels",
}
FUNCTIONS, BASINS = "functions", "basins"
LEAST = 0.1  # of the error rate: the smallest excess of disagreement that matters
LIMIT = 0.02  # the largest barrier within one basin
SPAN = 0.1  # of the distance of independent networks, between the ends of the similarity index
FITTED = 0.95  # the training score below which a barrier is low because little was learnt
LITTLE = (
    f"fit less than {100 * FITTED:g} % of their training data, or gain less than {100 * OF_HEADROOM:g} % of what guessing "
    "leaves"
)
EXCESS = Scale("points of disagreement", 100.0, bounds=(-100.0, 100.0))
ERROR = Scale("points of test error", 100.0, bounds=(-100.0, 100.0))
SIMILARITY = Scale("on the scale from independent (0) to twin (1)", 1.0)
NEARER = Scale("% nearer", 100.0, bounds=(-np.inf, 100.0))


def formula() -> Formula:
    """The claim: independent networks are different functions, in different basins."""
    return Gated((_skill(), _fitted()), All((_functions(), _basins(INDEPENDENT, BASINS)), key="claim"))


def side_questions() -> tuple[Gated, ...]:
    """The tickets' basins, the ticket next to its own network, and trained networks next to untrained ones."""
    return (
        Gated((_skill(), _fitted(), _tickets_fitted(TICKET, OTHER_TICKET)), _basins(TICKETS, "tickets")),
        Gated((_skill(), _fitted(), _tickets_fitted(TICKET), _scale()), _own_ticket()),
        Gated((_skill(), _fitted()), _no_nearer()),
    )


def verdicts(tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its two questions, and the side questions."""
    whole = answer(formula(), tables, levels)
    return verdicts_of(claim_verdict(whole, RULE, SAYS), whole, side_questions(), tables, levels)


def index(pairs: Table, arm: str) -> np.ndarray:
    """S = (d_independent − d)/(d_independent − d_twin) of an arm, by seed.

    1 is as near as a twin, 0 as far as independent networks.
    """
    d = {name: _by_seed(pairs, name, "matched") for name in (INDEPENDENT, TWIN, arm)}
    return (d[INDEPENDENT] - d[arm]) / (d[INDEPENDENT] - d[TWIN])


def _by_seed(pairs: Table, arm: str, column: str) -> np.ndarray:
    found: np.ndarray = pairs.where(arm=arm).by_seed()[column].astype(float)
    return found


def _skill() -> Gate:
    return skill_gate(lambda tables: tables["examples"], ("trained",))


def _fitted() -> Gate:
    return no_misses(
        "fitted",
        f"both networks fit at least {100 * FITTED:g} % of the training data",
        lambda tables: fitting(tables["networks"].where(counts=True), tables["examples"]),
        "fitted",
        f"{{}} networks {LITTLE}, so a low barrier would say nothing.",
        "More --steps would let them fit.",
    )


def _tickets_fitted(*names: str) -> Gate:
    who = "both tickets fit" if len(names) > 1 else "the ticket fits"
    return no_misses(
        "fitted tickets",
        f"{who} at least {100 * FITTED:g} % of the training data",
        lambda tables: fitting(_named(tables["networks"], names), tables["examples"]),
        "fitted",
        f"{{}} tickets {LITTLE}, so a low barrier or a small distance would say nothing.",
        "More --steps or a larger --density would let them fit.",
    )


def _scale() -> Gate:
    """Of the similarity index, whose two ends must not be the same place."""

    def passed(tables: Tables) -> str | None:
        far, near = (_by_seed(tables["pairs"], arm, "matched") for arm in (INDEPENDENT, TWIN))
        narrow = far - near < SPAN * far
        if not narrow.any():
            return None
        return (
            f"In {int(np.sum(narrow))} of {len(narrow)} seeds a twin is nearer than an independent network by less than "
            f"{100 * SPAN:g} % of the distance, so the index has no scale."
        )

    return Gate(
        "scale",
        f"twins are nearer than independent networks, by {100 * SPAN:g} % of the distance",
        passed,
        "Larger batches or fewer --steps would keep twins together.",
    )


def _named(networks: Table, names: tuple[str, ...]) -> Table:
    return networks.taken(np.isin(networks["network"], names))


# --- functions ---


def _excess(tables: Tables) -> Difference:
    rows = tables["examples"]
    excess = rows[f"differs_{INDEPENDENT}"] - rows[f"differs_{COPY}"] - LEAST * rows["wrong"]
    return paired_difference(excess, rows["seed"], rows["id"])


def _functions() -> Question:
    return Question(
        key=FUNCTIONS,
        title="independent networks are different functions",
        effect=_excess,
        rule=Above(0.0),
        what="the disagreement of independent networks, minus that of copies and a tenth of the error rate,",
        scale=EXCESS,
        reading=_functions_read,
        says=three(
            "they are different functions",
            "they differ more than copies of one network by less than a tenth of the error rate, if at all",
            "whether they are different functions",
        ),
    )


def _functions_read(tables: Tables) -> str:
    rows = tables["examples"]
    ours, copies, wrong = (
        100 * float(np.mean(rows[c])) for c in (f"differs_{INDEPENDENT}", f"differs_{COPY}", "wrong")
    )
    return (
        f"Independent networks disagree on {ours:.1f} % of the test examples and copies on {copies:.1f} %, where {wrong:.1f} % "
        "of the answers are wrong"
    )


# --- basins ---


def _basins(arm: str, key: str) -> Gated:
    between = "independent networks" if arm == INDEPENDENT else "tickets of independent networks"

    def effect(tables: Tables) -> Bracket:
        rows = tables["examples"]
        low, high = (
            paired_difference(rows[f"{name}_{arm}"], rows["seed"], rows["id"])
            for name in ("barrier_split", "barrier")
        )
        return Bracket(low, high)

    def reading(tables: Tables) -> str:
        found = effect(tables)
        ends = " to ".join(
            dict.fromkeys(
                f"{100 * e:z.2f}".replace("-", "−") for e in sorted((found.low.mean, found.high.mean))
            )
        )
        raw = 100 * float(np.mean(_by_seed(tables["pairs"], arm, "barrier")))
        return (
            f"Between {between} error rises by {raw:.1f} points as they are, and by {ends} points with units in the best order "
            "and REPAIR"
        )

    question = Question(
        key=key,
        title=f"{between} are in different basins, whatever the order of their units",
        effect=effect,
        rule=Above(LIMIT),
        what=f"the error barrier between {between}, matched and with REPAIR,",
        scale=ERROR,
        reading=reading,
        says=three(
            "they are in different basins",
            "they are in one basin, up to symmetry",
            "whether they are in different basins",
        ),
        facets={"arm": arm},
    )
    high = barrier_gate(lambda tables: tables["examples"], ("trained", "the networks"), effect, LIMIT)
    return Gated((high,), question, key)


# --- distances ---


def _own_ticket() -> Question:
    return Question(
        key=OWN,
        title="from an independent network to a twin, a ticket is more than half of the way to its own dense network",
        effect=lambda tables: of_seeds(index(tables["pairs"], OWN)),
        rule=Above(0.5),
        what="the similarity index of a network and its ticket",
        scale=SIMILARITY,
        reading=lambda tables: _distances_read(tables, (OWN, TWIN, INDEPENDENT)),
        says=three(
            "it is more than half as near as a twin",
            "it is less than half as near as a twin",
            "whether it is half as near as a twin",
        ),
    )


def _no_nearer() -> Question:
    return Question(
        key=UNTRAINED,
        title="training brings independent networks nearer by less than a tenth",
        effect=_nearer,
        rule=Below(0.1),
        what="how much nearer than an untrained network an independent one is, in matched distance,",
        scale=NEARER,
        reading=lambda tables: (
            _distances_read(tables, (INDEPENDENT, UNTRAINED, PERMUTED)) + _permuted_fitted(tables)
        ),
        says=three(
            "training hardly brings independent networks nearer",
            "training brings independent networks nearer",
            "whether training brings independent networks nearer",
        ),
    )


def _nearer(tables: Tables) -> Difference:
    untrained, trained = (_by_seed(tables["pairs"], arm, "matched") for arm in (UNTRAINED, INDEPENDENT))
    return of_seeds(1 - trained / untrained)


def _distances_read(tables: Tables, arms: tuple[str, ...]) -> str:
    found = [f"{np.mean(_by_seed(tables['pairs'], arm, 'matched')):.2f} from {TITLES[arm]}" for arm in arms]
    return f"In canonical form and matched, a network is {', '.join(found[:-1])} and {found[-1]}"


def _permuted_fitted(tables: Tables) -> str:
    """How many permuted labels their network fits. Older runs scored it on true labels, and say nothing."""
    networks = tables["networks"]
    if "labels" not in columns(networks):
        return ""
    fits = float(np.mean(networks.where(network=PERMUTED)["train_score"]))
    return f", which fits {100 * fits:.1f} % of them"


# --- the claim ---

RULE = (
    "The claim holds if independent networks disagree more often than copies of one network, by more than a tenth of the error "
    "rate, and if the error barrier between them stays above 2 points with their units in the best order and REPAIR. It fails if "
    "one of the two fails. Otherwise it is undecided. It is also undecided if the networks are not better than guessing, or if "
    "one of them fits less than 95 % of its training data, or gains less than 90 % of what guessing leaves. And no barrier is "
    "called low unless the networks are shown to gain 4 points over guessing. Everything else is a side question; those about "
    "tickets are undecided too if a ticket fits less than that, and the one about its similarity if twins end as far apart as "
    "independent networks."
)
SAYS = {
    Outcome.HOLDS: "Independent training ends in different functions, in different basins.",
    Outcome.FAILS: "Independent networks hardly differ more than copies of one network, or are in one basin up to symmetry.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
