"""Comparison of permissions."""

from sfu.model import Permissions, Source


def may_publish(permissions: Permissions, source: Source) -> bool:
    allowed = permissions.can_publish_sources
    return permissions.can_publish and (not allowed or source in allowed)


def is_reduced(before: Permissions, after: Permissions) -> bool:
    """Returns whether a permission was removed. Becoming hidden removes none."""
    return (
        any(may_publish(before, source) and not may_publish(after, source) for source in Source)
        or (before.can_subscribe and not after.can_subscribe)
        or (before.can_publish_data and not after.can_publish_data)
        or (before.can_update_own_metadata and not after.can_update_own_metadata)
    )
