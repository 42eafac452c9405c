"""A room of fifty: messages and commands grow with the changes, not with their product."""

from sfu.signalling import messages

from .scene import Client, scene, sdp, turn

N = 50


async def test_all_who_join_a_room_of_fifty_in_one_turn_are_one_message_for_each() -> None:
    async with scene() as it:
        watcher = await it.client("watcher")
        await turn()
        watcher.heard()
        clients = [await it.client(f"p{number}") for number in range(1, N)]
        await turn()
        (news,) = watcher.heard(messages.Participants)
        assert len(news.participants) == N - 1
        assert all(len(client.heard(messages.Participants)) == 1 for client in clients)


async def test_one_more_in_a_room_of_fifty_is_one_message_for_each_and_no_new_offer() -> None:
    async with scene() as it:
        clients: list[Client] = []
        for number in range(N):
            client = await it.client(f"p{number}")
            await client.connect(*["video recvonly"] * (N + 4), "application")
            clients.append(client)
            read(clients)
        for client in clients:
            await client.camera()
            read(clients)
        before = len(it.plane.commands)
        late = await it.client("late")
        await late.connect(*["video recvonly"] * (N + 4))
        joined = len(it.plane.commands) - before
        await late.camera()
        for client in clients:
            told = client.heard()
            kinds = [type(message).__name__ for message in told]
            # Joined, joined its transport, active, published.
            assert kinds.count("Participants") <= 4 and kinds.count("Slots") == 1
            assert "Renegotiate" not in kinds
        # Its transport, its slots, what each shows, and one command for all their layers; and a channel that is awaited
        # until its offer comes without one.
        assert joined == 1 + (N + 4) + N + 1 + 2
        published = len(it.plane.commands) - before - joined
        assert published == 1 + 1 + 1, "its track, one source for all, and one command for all their layers"


async def test_a_channel_joins_its_group_once_however_many_come() -> None:
    async with scene() as it:
        clients = [await it.client(f"p{number}") for number in range(10)]
        for client in clients:
            client.sections.append(("application", ""))
            await client.session.handle(messages.Offer("offer", 1, _offer(client)))
        await turn()
        assert it.plane.count("join_group") == 2 * len(clients) and it.plane.count("add_group") == 2


def read(clients: list[Client]) -> None:
    """A client that does not read its messages waits for the replies to its requests."""
    for client in clients:
        client.heard()


def _offer(client: Client) -> str:
    return sdp(client.sections, client.ufrag)
