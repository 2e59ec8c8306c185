"""Appearance attacks on samples that come one batch after another, all attacks of a sample side by side in flight."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from turncoat.engine.attack.block import curves
from turncoat.engine.attack.courses import Plan, plan_of
from turncoat.engine.attack.flight import Course, Flight, Landed, Rows, board
from turncoat.engine.attack.floors import PictureFloor
from turncoat.engine.attack.goals import at_start, goals_of
from turncoat.engine.attack.identity import Asker
from turncoat.engine.attack.measure import Admitted
from turncoat.engine.attack.outcomes import Outcome
from turncoat.engine.attack.pair import Pair
from turncoat.engine.attack.restarts import Kept
from turncoat.engine.attack.settings import AttackSettings
from turncoat.engine.attack.slots import fill, take
from turncoat.engine.attack.spaces import Codes

Admit = Callable[[], bool]
NOBODY = Asker("")


@dataclass
class Rider:
    """One sample and what its attacks came to.

    Attributes:
        admitted: the batch it was admitted with. place: its row there.
        sample: its index columns; empty where nobody needs seeds.
        kept: attack -> what is kept of it so far.
    """

    admitted: Admitted
    place: int
    sample: Mapping[str, Any]
    kept: dict[str, Kept] = field(default_factory=dict)


class Done(NamedTuple):
    """An attack on a sample is over."""

    rider: Rider
    name: str


@dataclass
class Ask:
    """One ascent of one sample: which attack, from which start.

    Attributes:
        plan: of this ascent; rounds of bisection have shorter ones, in smaller balls.
        halving: which round of bisection; 0: it looks for any crossing.
        low, high: the smallest distance that fools is thought to lie between.
    """

    rider: Rider
    name: str
    restart: int
    plan: Plan
    halving: int = 0
    low: float = 0.0
    high: float = 0.0

    @property
    def asker(self) -> Asker:
        """For whom it draws at random; a sample without a name draws as its place in its batch."""
        return Asker(str(self.rider.sample.get("sample_id", self.rider.place)), self.restart, self.name)


class CodeFlight:
    """Fly the appearance attacks of a run.

    Args:
        pair: generator and target.
        settings: threshold, iterations, restarts, optimisers, objective, slots, seed.
        step_sizes: attack -> step size; these attacks are flown, in this order.

    Attributes:
        flight: the slots; its `traffic` says what they did.
        iterations: attack -> steps made by samples that have landed.

    Raises:
        ConfigError: weights without statistics where an attack needs them.
    """

    def __init__(self, pair: Pair, settings: AttackSettings, step_sizes: Mapping[str, float]) -> None:
        self.pair, self.settings = pair, settings
        self._plans = {name: plan_of(name, pair.generator, settings, size) for name, size in step_sizes.items()}
        needs = any(plan.whitened for plan in self._plans.values())
        self._space = Codes(pair.generator.statistics if needs else None, pair.device)
        self._longest = max(max(plan.steps, plan.halving_steps) for plan in self._plans.values())
        self.flight = Flight(
            pair,
            pair.generator,
            self._space,
            objective=settings.objective,
            slots=settings.batch,
            every=settings.look_every,
            bound=PictureFloor.asked(pair, pair.generator, self._space, settings),
            askers=self._askers,
        )
        self.iterations = dict.fromkeys(self._plans, 0)
        self._asks: dict[int, Ask] = {}
        self._asked = 0
        self._ready: list[Done] = []

    @property
    def aboard(self) -> int:
        """Ascents that have not landed."""
        return len(self._asks)

    def board(self, admitted: Admitted, samples: Sequence[Mapping[str, Any]] | None = None) -> list[Rider]:
        """Take N samples on; those that cannot be attacked are done at once.

        samples: (N,) their index columns, of which `sample_id` is needed where anything is random.
        """
        count, usable = len(admitted.error_initial), admitted.usable()
        riders = [Rider(admitted, place, samples[place] if samples is not None else {}) for place in range(count)]
        for name, plan in self._plans.items():
            own = self._own(admitted.appearance, plan)
            initial, before = at_start(admitted, name, self.settings)
            standing = (usable & ~before).nonzero()[:, 0]
            for rider, x, past, error in zip(riders, own, before.tolist(), initial.tolist(), strict=True):
                unattacked = Outcome.PAST_BEFORE if past else Outcome.NOT_FINITE
                rider.kept[name] = Kept(x, unattacked, error, -1.0 if plan.towards else 1.0)
            flying = {*standing.tolist()}
            self._ready += [Done(rider, name) for rider in riders if rider.place not in flying]
            if not plan.follows:
                self._launch(
                    [Ask(riders[place], name, 0, plan) for place in standing.tolist()], own[standing], own[standing]
                )
        return riders

    def run(self, admit: Admit | None = None) -> Iterator[list[Done]]:
        """Fly until every attack on every sample is over; yields those that are, some at a time.

        admit: brings more samples by `board`, and says whether there may be more; None: there are no more.
        """
        for landed in self.flight.run(admit):
            self._ready += self._over(landed)
            if self._ready:
                ready, self._ready = self._ready, []
                yield ready
        if self._ready:
            ready, self._ready = self._ready, []
            yield ready

    def _askers(self, numbers: Sequence[int]) -> list[Asker]:
        """For whom the rows of these numbers are flown; an empty place asks for nobody."""
        return [self._asks[number].asker if number in self._asks else NOBODY for number in numbers]

    def _own(self, appearance: Tensor, plan: Plan) -> Tensor:
        return self._space.coordinates(appearance) if plan.whitened else appearance

    def _launch(self, asks: list[Ask], x: Tensor, own: Tensor, *, first: bool = False) -> None:
        """Board ascents of one attack from `x`, (K, D), of samples whose own codes lie at `own`, (K, D)."""
        if not asks:
            return
        plan = asks[0].plan
        limits = self._space.limits(own, plan.whitened, plan.radius, plan.budget)
        batches = {id(ask.rider.admitted) for ask in asks}
        if len(batches) == 1:
            admitted = asks[0].rider.admitted
            where = torch.tensor([ask.rider.place for ask in asks], device=x.device)
            rows = self._rows(admitted, where, x, limits, plan)
        else:
            for number, ask in enumerate(asks):
                one = slice(number, number + 1)
                self._launch([ask], x[one], own[one], first=first)
            return
        ids = torch.arange(self._asked, self._asked + len(asks), device=x.device)
        self._asks |= dict(zip(ids.tolist(), asks, strict=True))
        self._asked += len(asks)
        self.flight.board(rows._replace(slots=rows.slots._replace(sample=ids)), first=first)

    def _rows(self, admitted: Admitted, where: Tensor, x: Tensor, limits: Any, plan: Plan) -> Rows:
        slots = fill(
            self._space.project(x, limits) if plan.projects_start else x,
            (goals_of(admitted) if plan.towards else admitted.clean_pose)[where],
            take(admitted.canvas, where),
            limits,
            take(admitted.given, where),
        )
        if self.flight.bound is not None:
            slots = slots._replace(x=self.flight.bound(slots.x, slots))
        course = Course.same(
            len(where),
            plan.steps,
            plan.step_size,
            plan.optimiser,
            threshold_mm=plan.threshold_mm,
            stop=plan.stop,
            sign=-1.0 if plan.towards else 1.0,
            device=slots.x.device,
        )
        return board(slots, course, self._longest)

    def _over(self, landed: Landed) -> list[Done]:
        """Keep what came of landed ascents; send their samples on where an attack has more to do."""
        rows, over = landed.rows, []
        columns = (rows.slots.sample, rows.slots.age, rows.checks, rows.confirmed, landed.best)
        for x, curve, ended, (number, age, checks, held, best) in zip(
            landed.x,
            curves(rows.curve),
            landed.outcome,
            zip(*(column.tolist() for column in columns), strict=True),
            strict=True,
        ):
            ask = self._asks.pop(number)
            kept = ask.rider.kept[ask.name]
            if self.pair.queries is not None:
                kept.queries += self.pair.queries.taken([ask.asker])[0]
            self.iterations[ask.name] += age
            if ask.halving:
                kept.checks += checks
                if not self._halve(ask, kept, x, ended):
                    over.append(Done(ask.rider, ask.name))
                continue
            kept.offer(
                x,
                ended,
                curve,
                age,
                checks,
                None if held < 0 else bool(held),
                best,
                ask.restart,
                best if ended is not Outcome.FOOLED and (ask.plan.towards or not ask.plan.stop) else None,
            )
            if not self._again(ask, kept) and not (ask.plan.halvings and self._halve(ask, kept, x, ended)):
                over.append(Done(ask.rider, ask.name))
                self._follow(ask, kept)
        return over

    def _again(self, ask: Ask, kept: Kept) -> bool:
        """Start the same attack once more from elsewhere, if there are restarts left and it has not won."""
        if ask.restart + 1 >= self.settings.restarts or kept.outcome is Outcome.FOOLED:
            return False
        own = self._own(ask.rider.admitted.appearance[ask.rider.place][None], ask.plan)
        x = ask.plan.restart(own, [ask.rider.sample], self.settings.seed, ask.restart + 1)
        self._launch([Ask(ask.rider, ask.name, ask.restart + 1, ask.plan)], x, own, first=True)
        return True

    def _halve(self, ask: Ask, kept: Kept, x: Tensor, ended: Outcome) -> bool:
        """Look for a crossing nearer to the own code, half-way between what was too near and what is enough.

        `x`: where the ascent that `ask` was ended, and how. False: all rounds are made, or there was no crossing.
        """
        own = self._own(ask.rider.admitted.appearance[ask.rider.place][None], ask.plan)
        low, high = ask.low, ask.high
        if ended is Outcome.FOOLED:
            kept.x, high = x, float((x - own[0]).norm())
        elif not ask.halving:
            return False
        else:
            low = float(ask.plan.budget or 0.0)
        kept.nothing_below = low
        if ask.halving >= ask.plan.halvings or not low < high:
            return False
        plan = replace(ask.plan, budget=(low + high) / 2, steps=ask.plan.halving_steps, projects_start=True)
        again = Ask(ask.rider, ask.name, ask.restart, plan, ask.halving + 1, low, high)
        self._launch([again], kept.x[None], own, first=True)
        return True

    def _follow(self, ask: Ask, kept: Kept) -> None:
        """Launch the attack that begins where this one ended: the next larger budget."""
        for name, plan in self._plans.items():
            if plan.follows == ask.name:
                own = self._own(ask.rider.admitted.appearance[ask.rider.place][None], plan)
                self._launch([Ask(ask.rider, name, 0, plan)], kept.x[None], own, first=True)
