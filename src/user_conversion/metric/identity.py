"""Which user an id counts for, by the events that say which user an id became.

Of several users that an id became, the one of the earliest event is used. Users can become others:
ids are followed to the last one. Ids that are followed in a circle count for themselves.
"""

from __future__ import annotations

import ibis
from ibis import ir


def earliest_links(user_identity: ir.Table) -> ir.Table:
    """One row per id that became another one. Columns: initiator_id, user_id (the first one).

    Of two events at the same instant, the one whose user_id is smaller is used.
    """
    links = user_identity.filter(user_identity.initiator_id != user_identity.user_id)
    order = [links.time, links.user_id]
    place = ibis.row_number().over(group_by=links.initiator_id, order_by=order)
    links = links.mutate(place=place)
    return links.filter(links.place == 0).select("initiator_id", "user_id")


def followed_links(links: ir.Table) -> ir.Table:
    """One row per id of `links`, each followed as far again as it was."""
    after = links.view().rename(user_id="initiator_id", last_id="user_id")
    followed = links.left_join(after, "user_id")
    return followed.select(
        "initiator_id", user_id=ibis.coalesce(followed.last_id, followed.user_id)
    )


def open_links(links: ir.Table) -> ir.Table:
    """One row: ids, the number of links to an id that itself became another one."""
    others = links.view().select(user_id="initiator_id")
    found = links.semi_join(others, "user_id")
    return found.aggregate(ids=found.count())


def identities(links: ir.Table) -> ir.Table:
    """One row per id that counts for another one, the last. Columns: initiator_id, user_id."""
    others = links.view().select(user_id="initiator_id")
    return links.anti_join(others, "user_id")


def identity_counts(user_identity: ir.Table, identities: ir.Table) -> ir.Table:
    """One row: numbers of ids.

    Columns: ids (that became another one), of_several_users (that became several, if followed),
    of_themselves (that became what they were).
    """
    last = identities.select(user_id="initiator_id", last_id="user_id")
    links = user_identity.left_join(last, "user_id")
    is_other = links.initiator_id != links.user_id
    ids = links.group_by("initiator_id").aggregate(
        users=ibis.coalesce(links.last_id, links.user_id).nunique(where=is_other),
        same=links.count(where=~is_other),
    )
    return ids.aggregate(
        ids=ids.count(where=ids.users > 0),
        of_several_users=ids.count(where=ids.users > 1),
        of_themselves=ids.count(where=ids.same > 0),
    )


def moved_users(before: ir.Table, now: ir.Table, published: ir.Table) -> ir.Table:
    """One row: users, the number of published ids that ids counted for and do not any more.

    `published` has the ids that have events, under which they counted.
    """
    both = now.rename(user_now="user_id").outer_join(before, "initiator_id")
    moved = both.filter(~both.user_now.identical_to(both.user_id))
    ids = moved.select(
        initiator_id=ibis.coalesce(moved.user_id, moved.initiator_id, moved.initiator_id_right)
    )
    found = published.semi_join(ids, "initiator_id")
    return found.aggregate(users=found.count())
