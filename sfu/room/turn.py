"""Collects the changes of one turn of the event loop, then updates slots, layers and reports.

Changes only mark subscribers. `flush` plans them, decides their layers, commands the plane, and appends facts. Where
many subscribers are to be shown the same in the same sections, their change is prepared once (`changes.py`).
"""

from collections.abc import Callable, Hashable, Iterable, Mapping

from sfu.context import Context
from sfu.facts import Facts
from sfu.policy.slots import Layout
from sfu.room.changes import prepare, similarity
from sfu.room.decisions import Decisions, Plans, States
from sfu.room.dynacast import EncodingRequests
from sfu.room.layouts import Layouts
from sfu.room.members import Members
from sfu.room.notes import Notes
from sfu.room.participant import Participant
from sfu.room.ranking import Ranking
from sfu.room.subscriptions import Audience, Targets
from sfu.room.tracks import Track

SHARING = 8
"""The smallest group of subscribers whose change is prepared once. For fewer it is not less work."""

Groups = dict[tuple[int, frozenset[str]], list[Participant]]
"""Subscribers whose slots have to change, by the `id()` of their layout and by the tracks that they are to be shown."""


class Turn:
    def __init__(
        self,
        context: Context,
        members: Members,
        facts: Facts,
        notes: Notes,
        tracks: Mapping[str, Track],
        ranking: Ranking,
        publishers: EncodingRequests,
    ) -> None:
        self._context = context
        self._members = members
        self._facts = facts
        self._notes = notes
        self._tracks = tracks
        """Published tracks by sid. The room owns this mapping."""
        self._ranking = ranking
        self._publishers = publishers
        self._layouts = Layouts()
        self._all = False
        """The selection of any subscriber may have changed."""
        self._plans: dict[str, None] = {}
        """Sids of subscribers whose slots may have to change."""
        self._decisions: dict[str, None] = {}
        """Sids of subscribers whose layers may have changed."""
        self._allocations: dict[str, None] = {}
        """Sids of subscribers whose bandwidth is to be allocated again."""
        self._reports: dict[str, None] = {}
        """Sids of subscribers with slots that the plane reported about."""

    def plan(self, sids: Iterable[str]) -> None:
        """Marks subscribers whose sections, wishes or tracks changed."""
        self._plans.update(dict.fromkeys(sids))

    def plan_all(self) -> None:
        """Marks all subscribers, because tracks, their order or their visibility changed."""
        self._ranking.reorder()
        self._all = True

    def decide(self, subscriber: Participant, track: Track) -> None:
        """Marks a subscriber if it is shown `track`, whose layers or wish changed."""
        if subscriber.viewing.reconsider(track):
            self._decisions[subscriber.sid] = None

    def reallocate(self, sid: str) -> None:
        """Marks the subscriber with this sid, whose bandwidth is to be allocated again."""
        self._allocations[sid] = None

    def report(self, sid: str) -> None:
        """Marks a subscriber with slots that the plane reported about."""
        self._reports[sid] = None

    def forget(self, sid: str) -> None:
        for marks in (self._plans, self._decisions, self._allocations, self._reports):
            marks.pop(sid, None)

    def has_work(self) -> bool:
        return self._all or bool(self._plans or self._decisions or self._allocations or self._reports)

    def flush(self) -> None:
        """Updates the marked subscribers. If one fails, it is marked again for a later turn, and the others are
        updated."""
        dirty, self._plans = self._plans, {}
        plans, decisions, states = Plans(), Decisions(), States()
        targets: dict[str, Targets] = {}
        self._each(dirty, lambda one: self._check(one, plans), self._plans)
        if self._all:
            self._all = False
            groups: Groups = {}
            self._select_all(dirty, groups, plans)
            for group in self._alike(groups):
                apart = self._move(group, targets, decisions, plans, states) if len(group) >= SHARING else group
                dirty.update((one.sid, None) for one in apart)
                self._each([one.sid for one in apart], lambda one: self._refresh(one, plans), self._plans)
        self._layouts.clear()
        plans.append_to(self._facts)
        stale, self._decisions = {**dirty, **self._decisions}, {}
        if stale or targets:
            self._publishers.touch()
        # What a network carries does not change what is asked of publishers.
        stale, self._allocations = {**stale, **self._allocations}, {}
        self._each(stale, lambda subscriber: self._allocate(subscriber, targets, decisions), self._decisions)
        if targets:
            self._command(targets)
        self._publishers.flush()
        news, self._reports = self._reports, {}
        self._each({**stale, **news}, lambda one: _collect(one, decisions, states), self._reports)
        states.append_to(self._facts)
        self._notes.append_to(self._facts)

    def _check(self, subscriber: Participant, plans: Plans) -> None:
        """Plans a subscriber, and looks at each of its slots."""
        subscriber.viewing.check()
        groups: Groups = {}
        self._select(subscriber, groups, plans)
        if groups:
            self._refresh(subscriber, plans)

    def _select_all(self, except_for: Mapping[str, None], groups: Groups, plans: Plans) -> None:
        """Selects the tracks of all subscribers but these: once for each audience, and for each layout in it."""
        alone: dict[str, None] = {}
        # Subscribers with the same layout have the same numbers of sections, and hashing an audience takes longer.
        together: dict[tuple[Layout, bool], list[Participant]] = {}
        for member in self._members:
            viewing = member.viewing
            audience, layout = viewing.audience, viewing.layout
            if audience is None or layout is None:
                alone[member.sid] = None
            else:
                together.setdefault((layout, audience.auto), []).append(member)
        for sid in except_for:
            alone.pop(sid, None)
        self._each(alone, lambda one: self._select(one, groups, plans), self._plans)
        for (layout, auto), members in together.items():
            selection, asking = self._ranking.shared(Audience(auto, members[0].viewing.sections)), []
            for member in members:
                viewing = member.viewing
                if viewing.selection.missing != selection.missing:
                    asking.append(member.sid)
                viewing.selection = selection
            self._each(asking, lambda one: self._ask_for_sections(one, plans), self._plans)
            if layout.tracks != selection.tracks:
                groups.setdefault((id(layout), selection.tracks), []).extend(members)

    def _select(self, subscriber: Participant, groups: Groups, plans: Plans) -> None:
        """Selects the tracks of a subscriber, and adds it to its group if its slots have to change."""
        viewing = subscriber.viewing
        viewing.audience = None
        if subscriber.transport.negotiated is None:
            return
        viewing.audience = self._ranking.audience(subscriber)
        if viewing.select(self._ranking.selection(subscriber)):
            groups.setdefault((id(viewing.layout), viewing.selection.tracks), []).append(subscriber)
        self._ask_for_sections(subscriber, plans)

    def _ask_for_sections(self, subscriber: Participant, plans: Plans) -> None:
        if subscriber.signals:
            more = subscriber.viewing.renegotiate(self._context.config.max_slots)
            if more is not None:
                plans.missing(subscriber.sid, more)

    def _refresh(self, subscriber: Participant, plans: Plans) -> None:
        changed = subscriber.filling.refresh(self._tracks, self._layouts)
        if changed:
            plans.changed(subscriber.sid, changed)

    def _alike(self, groups: Groups) -> Iterable[list[Participant]]:
        """Returns groups of subscribers whose slots change alike. Their layouts may differ in other slots: each
        publisher has its own, because it is not shown its own tracks."""
        alike: dict[Hashable, list[Participant]] = {}
        for group in groups.values():
            viewing = group[0].viewing
            try:
                key = viewing.layout and similarity(viewing.fit(self._layouts), viewing.slots)
            except Exception as error:
                # They are refreshed one by one, so that each of them is tried again.
                self._context.failures.note("subscribers", error)
                key = None
            alike.setdefault(key or id(group), []).extend(group)
        return alike.values()

    def _move(
        self, group: list[Participant], targets: dict[str, Targets], decisions: Decisions, plans: Plans, states: States
    ) -> list[Participant]:
        """Changes the slots of subscribers whose slots change alike. Returns those that have to be refreshed one by
        one."""
        if group[0].viewing.layout is None:
            return group
        transition = group[0].viewing.fit(self._layouts)
        new = {content.track for content in transition.changed.values() if content is not None}
        alike = [one for one in group if one.filling.may_share(new)]
        if len(alike) < SHARING:
            return group
        plane, slots = self._context.binding.plane, alike[0].viewing.slots
        try:
            change = prepare(transition.changed, slots, self._tracks, decisions)
            for to in change.slots:
                if to.track is not None:
                    to.reported = alike[0].reports.shared_state(to, to.track, decisions)
                plane.set_source([subscriber.viewing.slots[to.mid].id for subscriber in alike], to.source)
        except Exception as error:
            self._context.failures.note("subscribers", error)
            return group
        sids = [subscriber.sid for subscriber in alike]
        self._each(
            sids, lambda one: one.filling.show(change, self._layouts, targets.setdefault(one.sid, [])), self._plans
        )
        self._decisions.update((one.sid, None) for one in alike if one.bandwidth.is_estimated)
        for note in change.notes:
            self._notes.add_all(sids, *note)
        plans.all_changed(sids, transition.changed)
        states.add_all(sids, [to.reported for to in change.slots if to.reported is not None])
        shared = set(sids)
        return [subscriber for subscriber in group if subscriber.sid not in shared]

    def _each(self, sids: Iterable[str], work: Callable[[Participant], None], again: dict[str, None]) -> None:
        self._context.failures.each("subscriber", self._members, sids, work, again)

    def _allocate(self, subscriber: Participant, targets: dict[str, Targets], decisions: Decisions) -> None:
        # Targets decided before an exception are still sent, because they are not decided again.
        changed = targets.setdefault(subscriber.sid, [])
        if subscriber.bandwidth.is_estimated:
            subscriber.bandwidth.allocate(changed, decisions, self._ranking.standing)
        else:
            subscriber.viewing.allocate(changed, decisions)

    def _command(self, targets: Mapping[str, Targets]) -> None:
        """Sends all targets in one call. If the plane refuses it, sends those of each subscriber separately."""
        plane, failures = self._context.binding.plane, self._context.failures
        together = [target for of_one in targets.values() for target in of_one]
        if not together:
            return
        try:
            plane.set_targets(together)
        except Exception as error:
            failures.note("targets", error)
            refused: dict[str, None] = {}
            failures.each("targets", self._members, targets, lambda one: plane.set_targets(targets[one.sid]), refused)
            self._each(refused, lambda one: one.viewing.retarget(), self._decisions)
            self._decisions.update(refused)


def _collect(subscriber: Participant, decisions: Decisions, states: States) -> None:
    states.add(subscriber.sid, subscriber.reports.news(decisions))
