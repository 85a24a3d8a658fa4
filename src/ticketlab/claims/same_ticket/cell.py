"""One cell: one θ₀ with its masks, and the networks that are trained from it; as rows of tidy tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ticketlab import symmetry
from ticketlab.claims.headroom import LEAST
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.same_ticket.claim import SameTicketPlan
from ticketlab.claims.same_ticket.followed import CHANCE, Around, View, around, complement
from ticketlab.claims.same_ticket.gates import FITTED
from ticketlab.claims.same_ticket.masks import fixed_mask, largest_weights
from ticketlab.claims.same_ticket.networks import Paths, nearest_motion, redrawn_names, trained_networks
from ticketlab.claims.same_ticket.tables import (
    ALONE,
    CHANCE_MASK,
    END,
    PERMUTED,
    REST,
    START,
    TEACHER,
    TICKET,
    TRAINED,
    TWIN,
    UNTRAINED,
)
from ticketlab.claims.same_ticket.teacher import control_tasks
from ticketlab.claims.start import (
    Clock,
    built,
    check_classes,
    drawn_task,
    guessed,
    network_scores,
    relative_motion,
)
from ticketlab.claims.study import Cell, Draft, Progress, silent
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Task
from ticketlab.tickets.masks import Mask, full_mask, over_parameters, weights_of
from ticketlab.tickets.motion import cosine

__all__ = ["followed", "measure"]

Weights = Mapping[str, np.ndarray]
LABELS = {"true": TRAINED, "permuted": PERMUTED}
EVERY = {**LABELS, "teacher": TEACHER}


def measure(
    plan: SameTicketPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed = cell.seeds[0]
    progress("drawing split and network", 0.0)
    task = drawn_task(plan.task, seed)
    check_classes(task)
    network = built(plan.network, task.input_shape, task.outputs)
    network.require_layers("its masks")
    start = network.init(jax.random.fold_in(jax.random.key(seed), 0))
    clock = Clock()
    progress("fixing masks", 0.02)
    names = [plan.ticket, *(name for name in plan.others if name != "twin")]
    masks: dict[str, Mask] = {name: fixed_mask(name, plan, task, network, start, seed) for name in names}
    clock.lap("masks")
    return followed(plan, task, network, start, masks, seed, progress, clock)


def followed(
    plan: SameTicketPlan,
    task: Task,
    network: Network,
    start: Params,
    masks: Mapping[str, Mask],
    seed: int,
    progress: Progress = silent,
    clock: Clock | None = None,
) -> dict[str, Table]:
    """The tables of one θ₀ and its masks.

    Arguments:
        start: θ₀.
        masks: by their names; the plan's ticket is one of them, and the twin's mask is added if the plan asks for it.
    """
    clock = clock or Clock()
    progress("training", 0.3)
    paths = trained_networks(plan, task, network, start, masks[plan.ticket], seed)
    clock.lap("training")
    progress("following masks", 0.7)
    if "twin" in plan.others:
        masks = {**masks, "twin": largest_weights(network, paths[TWIN][plan.steps], plan.density)}
    sizes = weights_of(network, start)
    named = {TICKET if name == plan.ticket else name: mask for name, mask in masks.items()}
    every = {name: around(mask, sizes, plan.chance_masks, seed) for name, mask in named.items()}
    far = relative_motion(paths[TRAINED][plan.steps], start)
    labelled = control_tasks(task, network, seed)
    controls = {name: nearest_motion(paths[name], far) for name in labelled}
    of = _Seed(plan, View(task, network), labelled, start, paths, every, seed, controls)
    rows: dict[str, list[dict[str, Any]]] = {"networks": _network_rows(of), "shares": _share_rows(of)}
    clock.lap("shares")
    rows |= {"paths": _path_rows(of), "instead": _instead_rows(of)}
    wound, wound_columns = _wound(of)
    redrawn, redrawn_columns = _redrawn(of)
    clock.lap("functions")
    progress("comparing", 0.9)
    rows |= {"wound": wound, "redrawn": redrawn, "overlaps": _overlap_rows(of), "weights": _weight_rows(of)}
    columns = {**_columns(of), **wound_columns, **redrawn_columns}
    rows["examples"] = rows_of(columns)
    clock.lap("overlap and distances")
    rows["timings"] = clock.rows()
    return tables_of(
        {name: [{"seed": seed, **row} for row in table] for name, table in rows.items()}, _MEANINGS
    )


@dataclass(frozen=True)
class _Seed:
    """All that is measured.

    Arguments:
        labelled: the task with the labels of each control.
        controls: the step at which each control has moved as far as the trained network. It ends there.
    """

    plan: SameTicketPlan
    view: View
    labelled: Mapping[str, Task]
    start: Params
    paths: Paths
    masks: Mapping[str, Around]
    seed: int
    controls: Mapping[str, int]

    @property
    def ticket(self) -> Around:
        return self.masks[TICKET]

    def last(self, name: str) -> int:
        """The step at which a network is judged."""
        return self.controls.get(name, self.plan.steps)

    def view_of(self, name: str) -> View:
        """By what a network is scored: true labels, or the teacher's for the one that learns them."""
        return View(self.labelled[name], self.view.network) if name == TEACHER else self.view

    def end(self, name: str) -> Params:
        return self.paths[name][self.last(name)]

    def looks(self, name: str) -> dict[int, str]:
        """The steps at which masks are laid over a network, and where each lies in its training."""
        end = self.last(name)
        steps = sorted({*self.plan.looks(), end})
        places = {0: START, end: END}
        return {step: places.get(step, "between" if step < end else "after") for step in steps}

    def right(self, name: str, *masks: Mask) -> np.ndarray:
        """Test scores of a trained network, or under masks."""
        return self.view_of(name).scored(self.end(name), masks or (full_mask(self.view.network),))


# --- through training ---


def _share_rows(of: _Seed) -> list[dict[str, Any]]:
    rows = []
    for labels, network in LABELS.items():
        for step, at in of.looks(network).items():
            quantities = of.view.quantities(of.start, of.paths[network][step])
            for name, masks in of.masks.items():
                about = {"mask": name, "labels": labels, "step": step, "at": at}
                rows += [{**about, **row} for row in of.view.shares(masks, quantities)]
    return rows


def _path_rows(of: _Seed) -> list[dict[str, Any]]:
    """Of the ticket at every look; of other masks at the start and the end."""
    rows = []
    for labels, network in EVERY.items():
        view = of.view_of(network)
        for step, at in of.looks(network).items():
            params = of.paths[network][step]
            whole = view.outputs(params, full_mask(view.network))
            for name, masks in of.masks.items():
                if name != TICKET and at not in (START, END):
                    continue
                about = {"mask": name, "labels": labels, "step": step, "at": at}
                rows += [
                    {**about, "of": group, **view.under(params, some, whole)}
                    for group, some in masks.groups().items()
                ]
    return rows


# --- the rest ---


def _instead_rows(of: _Seed) -> list[dict[str, Any]]:
    """The trained network with something else in the place of the rest, of the ticket and of chance masks."""
    rows, draw = [], np.random.default_rng((of.seed, 5))
    for group in ("ticket", "stratified"):
        found: dict[str, list[float]] = {}
        for mask in of.ticket.groups()[group]:
            for what, params in _replaced(of, mask, draw).items():
                found.setdefault(what, []).append(
                    float(of.view.scored(params, (full_mask(of.view.network),)).mean())
                )
        rows += [{"of": group, "instead": what, "score": float(np.mean(s))} for what, s in found.items()]
    return rows


def _replaced(of: _Seed, mask: Mask, draw: np.random.Generator) -> dict[str, Params]:
    """The trained network, by what takes the place of the weights outside a mask."""
    params, twin = of.end(TRAINED), of.end(TWIN)

    def with_rest(values: Mapping[str, np.ndarray]) -> Params:
        return {
            name: {**leaves, "weight": np.where(mask[name], leaves["weight"], values[name])}
            if name in mask
            else leaves
            for name, leaves in params.items()
        }

    network = of.view.network
    now = weights_of(network, params)
    mixed, noise = {}, {}
    for name, weight in now.items():
        outside, mixed[name], noise[name] = ~mask[name], weight.copy(), np.zeros_like(weight)
        mixed[name][outside] = draw.permutation(weight[outside])
        drawn = draw.standard_normal(int(outside.sum()))
        size = np.linalg.norm(weight[outside]) / max(float(np.linalg.norm(drawn)), 1e-30)
        noise[name][outside] = size * drawn
    return {
        "itself": params,
        "zero": with_rest({name: np.zeros_like(w) for name, w in now.items()}),
        "its values at the start": with_rest(weights_of(network, of.start)),
        "its values in another order": with_rest(mixed),
        "the twin's": with_rest(weights_of(network, twin)),
        "noise of its norm": with_rest(noise),
    }


def _redrawn(of: _Seed) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The causal arm: rows, and columns of the test examples."""
    whole, ticket = full_mask(of.view.network), of.ticket.mask
    own = np.argmax(of.view.outputs(of.end(TRAINED), whole), axis=1)
    rows, columns = [], {}
    for what in (REST, TICKET, CHANCE_MASK):
        differs, right = [], []
        for name in redrawn_names(of.plan, what):
            outputs, params = of.view.outputs(of.end(name), whole), of.end(name)
            differs.append((np.argmax(outputs, axis=1) != own).astype(float))
            right.append(of.view.scored(params, (ticket,)))
            rows.append(
                {
                    "redrawn": what,
                    "score": float(of.view.right(outputs).mean()),
                    "ticket_score": float(right[-1].mean()),
                    "rest_score": float(of.view.scored(params, (complement(ticket),)).mean()),
                    "disagreement": float(differs[-1].mean()),
                }
            )
        columns[f"differs_{what}"] = np.mean(differs, axis=0)
        if what == REST:
            columns["ticket_redrawn"] = np.mean(right, axis=0)
    twin = of.view.outputs(of.end(TWIN), whole)
    rows.append(
        {
            "redrawn": "nothing (twin)",
            "score": float(of.view.right(twin).mean()),
            "ticket_score": float(of.right(TWIN, ticket).mean()),
            "rest_score": float(of.right(TWIN, complement(ticket)).mean()),
            "disagreement": symmetry.disagreement(of.view.outputs(of.end(TRAINED), whole), twin),
        }
    )
    return rows, columns


# --- back at the start ---


def _wound(of: _Seed) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Masks of the trained networks over θ₀: rows, and columns of the test examples at the plan's density."""
    network, rows, columns = of.view.network, [], {}
    sizes = weights_of(network, of.start)
    for density in sorted({of.plan.density, *of.plan.densities}, reverse=True):
        end = largest_weights(network, of.end(TRAINED), density)
        masks = {
            TRAINED: (end,),
            "chance": tuple(symmetry.same_sizes(end, sizes, of.seed * CHANCE + i) for i in range(CHANCE)),
            PERMUTED: (largest_weights(network, of.end(PERMUTED), density),),
            "initial size": (largest_weights(network, of.start, density),),
        }
        right = {name: of.view.scored(of.start, some) for name, some in masks.items()}
        rows += [{"density": density, "of": name, "score": float(r.mean())} for name, r in right.items()]
        if density == of.plan.density:
            columns = {
                "wound": right[TRAINED],
                "wound_chance": right["chance"],
                "wound_permuted": right[PERMUTED],
            }
    return rows, columns


def _overlap_rows(of: _Seed) -> list[dict[str, Any]]:
    """Each mask next to the largest weights of trained networks, as they are and in balanced form."""
    network, density = of.view.network, of.plan.density
    ends = {name: of.end(name) for name in (TRAINED, TWIN, PERMUTED)}
    ends |= {f"{TRAINED}, balanced": _balanced(of.view, of.end(TRAINED)), "start": of.start}
    rows = []
    for end, params in ends.items():
        largest = largest_weights(network, params, density)
        for name, masks in of.masks.items():
            found = symmetry.overlap(masks.mask, largest)
            chance = [symmetry.overlap(mask, largest).kappa for mask in masks.stratified[:CHANCE]]
            rows.append(
                {
                    "mask": name,
                    "end": end,
                    "kappa": found.kappa,
                    "kappa_stratified": float(np.mean(chance)),
                    "jaccard": found.jaccard,
                    "jaccard_chance": found.jaccard_by_chance,
                }
            )
    return rows


# --- the ticket's weights ---


def _balanced(view: View, params: Params) -> Params:
    return symmetry.canonical(
        view.network, params, form=symmetry.Balanced(common=True), reference=np.asarray(view.task.train.x)
    ).params


def _weight_rows(of: _Seed) -> list[dict[str, Any]]:
    """The ticket's weights in the trained network, next to those in others and at the start."""
    network, mask = of.view.network, of.ticket.mask
    alone = symmetry.neutral(network)

    def under(params: Params) -> Params:
        keep = over_parameters(mask, params)
        return jax.tree.map(lambda m, a: np.where(m, np.asarray(a), 0).astype(np.float32), keep, params)

    ours, begun = under(of.end(TRAINED)), weights_of(network, under(of.start))
    form, rows = _balanced(of.view, ours), []
    for name in (ALONE, TWIN, PERMUTED, UNTRAINED):
        theirs = under(of.start if name == UNTRAINED else of.end(name))
        other = _balanced(of.view, theirs)
        matching = symmetry.match_weights(alone, form, other, restarts=0, seed=of.seed)
        rows.append(
            {
                "of": name,
                "raw": symmetry.parameter_distance(ours, theirs),
                "distance": symmetry.parameter_distance(form, symmetry.permuted(alone, other, matching)),
                "moved_units": matching.moved,
                "cosine": _likeness(begun, weights_of(network, ours), weights_of(network, theirs)),
                "disagreement": symmetry.disagreement(
                    of.view.outputs(ours, full_mask(network)), of.view.outputs(theirs, full_mask(network))
                ),
            }
        )
    return rows


def _likeness(begun: Weights, one: Weights, other: Weights) -> float:
    """The cosine of two motions; 0 where the other one has not moved, and so has no direction."""
    moved = any(np.any(weight != begun[name]) for name, weight in other.items())
    return cosine(begun, one, other) if moved else 0.0


# --- scores ---


def _network_rows(of: _Seed) -> list[dict[str, Any]]:
    """Of every network where it is judged, and of the controls at the end of their training."""
    judged = [_network_row(of, name, name, of.last(name)) for name in of.paths]
    ended = [_network_row(of, f"{name}, to the end", name, max(of.paths[name])) for name in of.controls]
    return [*judged, *ended]


def _network_row(of: _Seed, title: str, name: str, step: int) -> dict[str, Any]:
    task, params = of.view.task, of.paths[name][step]
    labels = of.labelled.get(name, task).train
    score = float(network_scores(of.view.network, params, task, labels).mean())
    guess = float(
        np.max(np.mean(labels.targets, axis=0))
    )  # targets are 1 at the class, so this is the most frequent one
    return {
        "network": title,
        "step": step,
        "train_score": score,
        "test_score": float(of.view_of(name).scored(params, (full_mask(of.view.network),)).mean()),
        "motion": relative_motion(params, of.paths[name][0]),
        "fitted": score >= FITTED,
        "learnt": score - guess >= LEAST * (1 - guess),
    }


def _columns(of: _Seed) -> dict[str, np.ndarray]:
    groups = of.ticket.groups()
    return {
        "id": of.view.task.test.ids,
        "guess": guessed(of.view.task),
        TRAINED: of.right(TRAINED),
        "start": of.view.scored(of.start, groups["ticket"]),
        TICKET: of.right(TRAINED, *groups["ticket"]),
        "chance": of.right(TRAINED, *groups["stratified"]),
        REST: of.right(TRAINED, *groups["rest"]),
        "chance_rest": of.right(TRAINED, *groups["stratified rest"]),
        "ticket_permuted": of.right(PERMUTED, *groups["ticket"]),
        "rest_teacher": of.right(TEACHER, *groups["rest"]),
        "chance_rest_teacher": of.right(TEACHER, *groups["stratified rest"]),
        "guess_teacher": guessed(of.labelled[TEACHER]),
        **_earlier(of),
    }


def _earlier(of: _Seed) -> dict[str, np.ndarray]:
    """Scores of the rest and of chance rests at the time in training at which chance rests knew as much as on a teacher's labels.

    What they know is what they score above guessing on validation examples. Between two looks scores are interpolated. Where
    they never know as much, it is the end.
    """
    groups = of.ticket.groups()

    def knows(name: str, step: int) -> float:
        view = of.view_of(name)
        seen = replace(view, task=replace(view.task, test=view.task.validation))
        scores = seen.scored(of.paths[name][step], groups["stratified rest"])
        return float(np.mean(scores) - np.mean(guessed(seen.task)))

    steps, much = of.plan.looks(), knows(TEACHER, of.last(TEACHER))
    known = [knows(TRAINED, step) for step in steps]
    after = next((i for i, each in enumerate(known) if each >= much), len(steps) - 1)
    before = max(after - 1, 0)
    rise = known[after] - known[before]
    weight = min((much - known[before]) / rise, 1.0) if rise > 0 else 1.0
    pair = [of.paths[TRAINED][steps[i]] for i in (before, after)]

    def between(masks: Sequence[Mask]) -> np.ndarray:
        early, late = (of.view.scored(params, masks) for params in pair)
        return (1 - weight) * early + weight * late

    return {
        "rest_earlier": between(groups["rest"]),
        "chance_rest_earlier": between(groups["stratified rest"]),
    }


_MEANINGS = {
    "mask": "the ticket, or how another mask was fixed",
    "labels": "on which the network was trained",
    "step": "of training",
    "at": "the start, the end (on other labels where the weights have moved as far as on true ones), between, or after",
    "of": "what is scored, or compared with the ticket in the trained network",
    "kind": "squares of the weights in balanced form, of their motion, of the gradient; signs as at the start",
    "share": "under the mask",
    "stratified": "mean under chance masks with equally many weights in every tenth of |θ₀|",
    "shuffled": "mean under chance masks of the layer",
    "z": "how far the mask is from stratified chance masks, in their standard deviations",
    "explained": "the share of the whole network's outputs that a multiple explains",
    "instead": "what takes the place of the weights outside the mask",
    "redrawn": "the part of θ₀ that was drawn anew before training",
    "ticket_score": "under the ticket's mask",
    "rest_score": "under its complement",
    "disagreement": "test examples to which another class is given",
    "end": "the network whose largest weights are compared with the mask",
    "kappa": "overlap beyond chance, as a fraction of the largest possible",
    "kappa_stratified": "the same of stratified chance masks, mean",
    "raw": "distance of the weights as they are",
    "distance": "in balanced form, units in the best order",
    "cosine": "of the motions of the ticket's weights from θ₀; 0 without motion",
    "motion": "‖θ − θ₀‖/‖θ₀‖, from where the network started",
    "fitted": f"whether the training score is at least {FITTED}",
    "learnt": f"whether the training score is above guessing by {LEAST} of what that leaves",
    "guess": "the score of always giving the most frequent class",
    "start": "under the ticket, before training",
    "chance": "the trained network under stratified chance masks, mean",
    "rest": "the trained network without the ticket",
    "chance_rest": "without a chance mask, mean",
    "rest_teacher": "the same after training on the labels of a random teacher, scored on its test labels",
    "chance_rest_teacher": "and without a chance mask, mean",
    "rest_earlier": "the rest earlier in training, when chance rests know as much as on a teacher's labels in the end",
    "chance_rest_earlier": "chance rests at that time, mean",
    "guess_teacher": "the score of always giving the class that the teacher gives most often",
    "wound": "θ₀ under the mask of the largest trained weights",
    "wound_chance": "under stratified chance masks of that, mean",
    "wound_permuted": "under the mask of the largest weights after permuted labels",
}
